"""The processes of `reflexio serve`: one server, or several workers on one port and a supervisor."""
