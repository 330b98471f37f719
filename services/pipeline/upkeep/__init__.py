"""What a host does beside giving work out: tells webhooks, and collects what nobody needs any more."""
