package backup

// ClaimWithoutLinks is Claim where links are not known.
func ClaimWithoutLinks(part, file string) error { return claim(part, file) }
