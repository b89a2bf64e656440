package payload

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// The types of the PEM blocks that openssl genpkey and openssl pkey -pubout write.
const (
	publicBlock  = "PUBLIC KEY"
	privateBlock = "PRIVATE KEY"
)

// ReadPublicKeys reads a file of trusted keys: one or more PEM blocks, with any text
// between them. Whatever else is in a block is refused, and so is a file without a key:
// to go on with fewer keys than were meant is to refuse good payloads much later. The
// error wraps ErrKey.
func ReadPublicKeys(file []byte) ([]ed25519.PublicKey, error) {
	blocks, err := readBlocks(file)
	if err != nil {
		return nil, err
	}

	keys := make([]ed25519.PublicKey, 0, len(blocks))

	for i, b := range blocks {
		if b.Type != publicBlock {
			return nil, fmt.Errorf("PEM block %d: %w: a %q, not a %q", i+1, ErrKey, b.Type, publicBlock)
		}

		key, err := x509.ParsePKIXPublicKey(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w: %w", i+1, ErrKey, err)
		}

		pub, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("PEM block %d: %w: a %T", i+1, ErrKey, key)
		}

		keys = append(keys, pub)
	}

	return keys, nil
}

// ReadPrivateKey reads a file with one PEM block, the key, which isn't encrypted. The
// error wraps ErrKey and says nothing of the key's bytes.
func ReadPrivateKey(file []byte) (ed25519.PrivateKey, error) {
	blocks, err := readBlocks(file)
	if err != nil {
		return nil, err
	}

	if n := len(blocks); n != 1 {
		return nil, fmt.Errorf("%d PEM blocks: %w: one key is enough", n, ErrKey)
	}

	if t := blocks[0].Type; t != privateBlock {
		return nil, fmt.Errorf("PEM block: %w: a %q, not a %q", ErrKey, t, privateBlock)
	}

	key, err := x509.ParsePKCS8PrivateKey(blocks[0].Bytes)
	if err != nil {
		return nil, fmt.Errorf("PEM block: %w: %w", ErrKey, err)
	}

	priv, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("PEM block: %w: a %T", ErrKey, key)
	}

	return priv, nil
}

// PublicKeyPEM is the file that ReadPublicKeys reads.
func PublicKeyPEM(pub ed25519.PublicKey) ([]byte, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key of %d bytes: %w", len(pub), ErrKey)
	}

	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}), nil
}

// PrivateKeyPEM is the file that ReadPrivateKey reads. It isn't encrypted.
func PrivateKeyPEM(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("private key of %d bytes: %w", len(key), ErrKey)
	}

	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), nil
}

// readBlocks gives at least one block. pem.Decode passes over a block it can't read as if
// it were text between blocks, so the lines that begin one are counted too.
func readBlocks(file []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block

	begun := bytes.Count(file, []byte("-----BEGIN "))

	for b, rest := pem.Decode(file); b != nil; b, rest = pem.Decode(rest) {
		blocks = append(blocks, b)
	}

	if len(blocks) == 0 || len(blocks) != begun {
		return nil, fmt.Errorf("%w: %d PEM blocks begin, and %d can be read", ErrKey, begun, len(blocks))
	}

	return blocks, nil
}
