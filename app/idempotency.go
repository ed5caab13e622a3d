package app

// Idempotency ties what a request makes durable to the client's Idempotency-Key, in the same commit
// (docs/reference/reliability.md §4-21): both are there after a crash, or neither.
type Idempotency struct {
	Tenant      Tenant
	Scope       string   // method and path
	Key         string   // 1 to 255 characters
	Fingerprint [32]byte // of the request; another one under the same key is refused
}
