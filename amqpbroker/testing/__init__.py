"""What tests are made of: a raw client that can also misbehave, and more to come."""
