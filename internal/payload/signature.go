package payload

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// TrailerSize is how much longer a file is when it is signed.
const TrailerSize = 128

// The parts of the trailer, by their offsets in it. The last 64 bytes are its tail, which
// the signature covers like the file.
const (
	tailAt     = ed25519.SignatureSize
	versionAt  = tailAt + sha256.Size
	reservedAt = versionAt + 4
	lengthAt   = reservedAt + 4
	magicAt    = lengthAt + 8
)

const (
	version = 1

	// The bytes after the text are those that a transfer as text would change.
	magic = "vgraft-signed\x1a\r\n"

	// context keeps a signature that was made for this apart from all that the same key
	// signs elsewhere: no other message can be passed off as a payload, nor the reverse.
	context = "github.com/vgraft/vgraft payload"
)

// Errors of this package. All others are a caller's mistake, such as a key that is none.
var (
	// ErrUnsigned is a file that doesn't end as a signed one does.
	ErrUnsigned = errors.New("not signed")

	// ErrSigned is a file to be signed that ends as a signed one does.
	ErrSigned = errors.New("signed already")

	// ErrMalformed is a trailer that Sign didn't write.
	ErrMalformed = errors.New("malformed signature")

	// ErrSignature is a signature that isn't that key's for that file.
	ErrSignature = errors.New("wrong signature")

	// ErrKey is what should be a key, and isn't one that can be used here.
	ErrKey = errors.New("not an Ed25519 key")
)

// KeyID names a public key: the SHA-256 of its 32 bytes.
type KeyID [sha256.Size]byte

// KeyIDOf is the name of a key.
func KeyIDOf(pub ed25519.PublicKey) KeyID { return sha256.Sum256(pub) }

// String gives the id as 64 hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// ParseKeyID reads what String writes, in either case.
func ParseKeyID(s string) (KeyID, error) {
	var id KeyID

	if len(s) != hex.EncodedLen(len(id)) {
		return KeyID{}, fmt.Errorf("key id of %d characters, not %d", len(s), hex.EncodedLen(len(id)))
	}

	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return KeyID{}, fmt.Errorf("key id: %w", err)
	}

	return id, nil
}

// Signature is what the trailer of a signed file says. It is a claim until Verify
// returns nil.
type Signature struct {
	// KeyID names the key that the signature claims to be made with.
	KeyID KeyID

	length uint64
	bytes  [ed25519.SignatureSize]byte
}

// Sign gives a copy of the file with a trailer. A file that ends as a signed one does is
// refused, well-formed or not: its reader couldn't say what was signed.
func Sign(file []byte, key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("sign: private key of %d bytes: %w", len(key), ErrKey)
	}

	if hasMagic(file) {
		return nil, fmt.Errorf("sign: %w", ErrSigned)
	}

	pub := key.Public().(ed25519.PublicKey)
	s := &Signature{KeyID: KeyIDOf(pub), length: uint64(len(file))}

	sig, err := key.Sign(nil, s.digest(file), options)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}

	copy(s.bytes[:], sig)

	// A key whose two halves don't belong together would give a signature that nobody
	// can verify.
	if err := s.Verify(file, pub); err != nil {
		return nil, fmt.Errorf("sign: %w: its public half belongs to another", ErrKey)
	}

	signed := make([]byte, 0, len(file)+TrailerSize)
	signed = append(signed, file...)
	signed = append(signed, s.bytes[:]...)

	return append(signed, s.tail()...), nil
}

// Split takes the trailer off a signed file. It verifies nothing: the file is as hostile
// as before. The file is a part of signed, not a copy. The error is ErrUnsigned or
// ErrMalformed.
func Split(signed []byte) (file []byte, s *Signature, err error) {
	malformed := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, a...))
	}

	if !hasMagic(signed) {
		return nil, nil, ErrUnsigned
	}

	n := len(signed) - TrailerSize
	if n < 0 {
		return nil, nil, malformed("file of %d bytes, shorter than the trailer", len(signed))
	}

	file, trailer := signed[:n:n], signed[n:]

	// The version comes first: a later one may mean something else by all the rest.
	if v := binary.LittleEndian.Uint32(trailer[versionAt:]); v != version {
		return nil, nil, malformed("version %d, not %d", v, version)
	}

	if r := binary.LittleEndian.Uint32(trailer[reservedAt:]); r != 0 {
		return nil, nil, malformed("reserved field is %#x, not 0", r)
	}

	if l := binary.LittleEndian.Uint64(trailer[lengthAt:]); l != uint64(n) {
		return nil, nil, malformed("of a file of %d bytes, and this has %d", l, n)
	}

	if hasMagic(file) {
		return nil, nil, malformed("the file below it is signed too")
	}

	return file, &Signature{
		KeyID:  KeyID(trailer[tailAt:versionAt]),
		length: uint64(n),
		bytes:  [ed25519.SignatureSize]byte(trailer[:tailAt]),
	}, nil
}

// Verify says whether the signature is this key's for this file: nil, or ErrSignature, or
// ErrKey for a key of a wrong size.
func (s *Signature) Verify(file []byte, pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("public key of %d bytes: %w", len(pub), ErrKey)
	}

	if id := KeyIDOf(pub); id != s.KeyID {
		return fmt.Errorf("%w: made with key %s, not with %s", ErrSignature, s.KeyID, id)
	}

	if uint64(len(file)) != s.length {
		return fmt.Errorf("%w: made for a file of %d bytes, and this has %d", ErrSignature, s.length, len(file))
	}

	if ed25519.VerifyWithOptions(pub, s.digest(file), s.bytes[:], options) != nil {
		return fmt.Errorf("%w: the file or the signature was changed since key %s made it", ErrSignature, s.KeyID)
	}

	return nil
}

// options select Ed25519ph of RFC 8032, which signs a SHA-512 and a context. Plain
// Ed25519 has no context. Ed25519ctx has, but wants the whole message as one slice, and
// so a copy of the file with the tail after it.
var options = &ed25519.Options{Hash: crypto.SHA512, Context: context}

// digest is of all that the signature covers: the file, and what the trailer says of it.
// The tail has a fixed size, so the two can't be confused.
func (s *Signature) digest(file []byte) []byte {
	h := sha512.New()
	h.Write(file)
	h.Write(s.tail())

	return h.Sum(nil)
}

func (s *Signature) tail() []byte {
	b := make([]byte, 0, TrailerSize-tailAt)
	b = append(b, s.KeyID[:]...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, s.length)

	return append(b, magic...)
}

func hasMagic(b []byte) bool {
	return len(b) >= len(magic) && string(b[len(b)-len(magic):]) == magic
}
