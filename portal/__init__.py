"""The portal's business side: one folder per area of the office, the same four parts in each.

    views.py    HTTP in, HTTP out
    service.py  the rules of the trade; takes the transaction it adds its changes to
    queries.py  the questions to the data, in the office's words
    inputs.py   what a colleague may type in

`areas.py` lists the areas in order; each may use those before it and none behind it. What all of them share stands
beside them: errors, formats, inputs, paging, audit, web. `tests/test_architecture.py` keeps this so.
"""
