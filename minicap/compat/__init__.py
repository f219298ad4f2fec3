"""The call forms of other code: CS231n's assignments."""
