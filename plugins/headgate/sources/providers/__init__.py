"""One module a provider: how to ask it, how to page, how to tell empty from failed, what a record is."""
