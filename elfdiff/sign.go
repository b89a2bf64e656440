package elfdiff

import (
	"crypto/ed25519"
	"fmt"

	"github.com/vgraft/vgraft/internal/payload"
)

// Sign gives a copy of a payload that ends in a signature: package patch takes no other,
// unless it is told to. What is signed already is refused.
func Sign(file []byte, key ed25519.PrivateKey) ([]byte, error) {
	signed, err := payload.Sign(file, key)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: %w", err)
	}

	return signed, nil
}
