"""What a till's back end, a payment service or any other system posts, by a mapping."""
