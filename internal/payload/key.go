package payload

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"slices"
)

// The types of the PEM blocks that openssl genpkey and openssl pkey -pubout write.
const (
	publicBlock  = "PUBLIC KEY"
	privateBlock = "PRIVATE KEY"
)

// What comes before the 32 bytes of a key in DER, which has one spelling only (RFC 8410,
// sections 4 and 7). crypto/x509 reads them too, and brings package net into every monitor.
var (
	publicDER  = []byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00")
	privateDER = []byte("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20")
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

		pub, ok := bytes.CutPrefix(b.Bytes, publicDER)
		if !ok || len(pub) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("PEM block %d: %w: not an Ed25519 key", i+1, ErrKey)
		}

		keys = append(keys, bytes.Clone(pub))
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

	seed, ok := bytes.CutPrefix(blocks[0].Bytes, privateDER)
	if !ok || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("PEM block: %w: not an Ed25519 key", ErrKey)
	}

	return ed25519.NewKeyFromSeed(seed), nil
}

// PublicKeyPEM is the file that ReadPublicKeys reads.
func PublicKeyPEM(pub ed25519.PublicKey) ([]byte, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key of %d bytes: %w", len(pub), ErrKey)
	}

	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: slices.Concat(publicDER, pub)}), nil
}

// PrivateKeyPEM is the file that ReadPrivateKey reads. It isn't encrypted.
func PrivateKeyPEM(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("private key of %d bytes: %w", len(key), ErrKey)
	}

	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: slices.Concat(privateDER, key.Seed())}), nil
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
