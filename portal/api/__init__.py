"""The JSON API: the same records, rules, permissions and trail as the pages, for programs."""
