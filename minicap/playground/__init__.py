"""`minicap site`: a page that runs minicap in the browser, and what it asks of minicap there."""
