"""What the roles send to an API server, judged: by the published OpenAPI schemas, and by the rights that a role has."""
