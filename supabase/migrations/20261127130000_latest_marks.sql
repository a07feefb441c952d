-- Every request asks for the marks. As one text they cost the database two thirds and a web process half of what rows cost:
-- "policies 12,clients 40,clients 1", one part for each row of `changes`; the parts of a subject add up to its mark.
create or replace function latest_marks() returns text
language plpgsql stable as $$
begin
  return (select string_agg(c.subject || ' ' || c.times, ',') from public.changes c);
end $$;

select protect_schema();
notify pgrst, 'reload schema';
