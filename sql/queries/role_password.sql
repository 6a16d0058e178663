-- The verifier was computed by the client, so no server log ever sees the password.
ALTER ROLE {role} PASSWORD %(verifier)s;
