"""Who calls: what a credential stands for, logins, and the accounts and keys of organisations."""
