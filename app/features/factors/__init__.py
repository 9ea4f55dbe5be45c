"""What people prove beside a password: one-time passwords, recovery codes, passkeys."""
