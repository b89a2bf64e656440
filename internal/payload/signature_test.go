package payload

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newKey is a key of which nothing is secret: always the same for the same seed.
func newKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func sign(t testing.TB, file []byte, key ed25519.PrivateKey) []byte {
	t.Helper()

	signed, err := Sign(file, key)
	require.NoError(t, err)

	return signed
}

// check is what a reader does with a file that somebody sent.
func check(signed []byte, pub ed25519.PublicKey) ([]byte, error) {
	file, s, err := Split(signed)
	if err != nil {
		return nil, err
	}

	return file, s.Verify(file, pub)
}

func TestSign_roundTrip(t *testing.T) {
	key := newKey(1)

	for _, size := range []int{0, 1, 15, 16, 17, 127, 128, 129, 4096, 1 << 20} {
		file := make([]byte, size)
		for i := range file {
			file[i] = byte(rand.Uint32())
		}

		before := bytes.Clone(file)
		signed := sign(t, file, key)

		require.Equal(t, before, file, "the file is the caller's")
		require.Len(t, signed, size+TrailerSize)

		got, s, err := Split(signed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(file, got))
		require.Equal(t, KeyIDOf(publicOf(key)), s.KeyID)
		require.NoError(t, s.Verify(got, publicOf(key)))

		// What is appended to the file must not write over the trailer.
		_ = append(got, 0xff)
		_, err = check(signed, publicOf(key))
		require.NoError(t, err)
	}
}

// TestSign_golden holds the format: files that were signed once must stay readable. The
// signature was checked with a second implementation of RFC 8032.
func TestSign_golden(t *testing.T) {
	const want = "bf6462dfb712e92e16f7dd8ba8d029d20b371df56b8f7267421f5b4b88d6c6cd" + // signature
		"920cbffbab5b6932fa075845269ba81fcff85e03bc4fe5ad99f719aa932c790b" +
		"34750f98bd59fcfc946da45aaabe933be154a4b5094e1c4abf42866505f3c97e" + // key id
		"01000000" + "00000000" + "0700000000000000" + // version, reserved, length
		"7667726166742d7369676e65641a0d0a" // magic

	signed := sign(t, []byte("payload"), newKey(1))

	require.Equal(t, want, hex.EncodeToString(signed[len("payload"):]))
}

func TestSplit_everyByteFlipped(t *testing.T) {
	key := newKey(1)
	signed := sign(t, []byte("a payload of some bytes"), key)

	for i := range signed {
		for bit := range 8 {
			bad := bytes.Clone(signed)
			bad[i] ^= 1 << bit

			_, err := check(bad, publicOf(key))

			switch at := i - (len(signed) - TrailerSize); {
			case at < versionAt: // the file, the signature, the key id
				require.ErrorIs(t, err, ErrSignature, "byte %d", i)
			case at < magicAt:
				require.ErrorIs(t, err, ErrMalformed, "byte %d", i)
			default:
				require.ErrorIs(t, err, ErrUnsigned, "byte %d", i)
			}
		}
	}
}

func TestSplit_everyTruncation(t *testing.T) {
	key := newKey(1)
	signed := sign(t, []byte("a payload of some bytes"), key)

	for n := range signed {
		_, err := check(signed[:n], publicOf(key))
		require.ErrorIs(t, err, ErrUnsigned, "%d bytes", n)
	}

	for n := 1; n <= len(signed); n++ { // and from the front
		_, err := check(signed[n:], publicOf(key))
		if len(signed)-n < len(magic) {
			require.ErrorIs(t, err, ErrUnsigned, "without %d bytes", n)
		} else {
			require.ErrorIs(t, err, ErrMalformed, "without %d bytes", n)
		}
	}
}

func TestSplit_changedSizes(t *testing.T) {
	key := newKey(1)
	signed := sign(t, []byte("payload"), key)

	_, err := check(append(bytes.Clone(signed), 0), publicOf(key))
	require.ErrorIs(t, err, ErrUnsigned, "a byte after it")

	_, err = check(append([]byte{0}, signed...), publicOf(key))
	require.ErrorIs(t, err, ErrMalformed, "a byte before it")
	require.ErrorContains(t, err, "of a file of 7 bytes, and this has 8")

	// Not even one who fits the length can move the trailer to another file.
	other := append([]byte("PAYLOAD"), signed[7:]...)

	_, err = check(other, publicOf(key))
	require.ErrorIs(t, err, ErrSignature)

	longer := append([]byte("payload!"), signed[7:]...)
	longer[8+lengthAt]++

	_, err = check(longer, publicOf(key))
	require.ErrorIs(t, err, ErrSignature)
}

func TestSign_twice(t *testing.T) {
	key := newKey(1)
	signed := sign(t, []byte("payload"), key)

	_, err := Sign(signed, key)
	require.ErrorIs(t, err, ErrSigned)

	_, err = Sign(signed, newKey(2))
	require.ErrorIs(t, err, ErrSigned)

	_, err = Sign([]byte(magic), key)
	require.ErrorIs(t, err, ErrSigned, "what merely ends so is refused too")

	// One who does it all the same isn't read.
	s := &Signature{KeyID: KeyIDOf(publicOf(key)), length: uint64(len(signed))}
	sig, err := key.Sign(nil, s.digest(signed), options)
	require.NoError(t, err)

	twice := slices.Concat(signed, sig, s.tail())

	_, _, err = Split(twice)
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorContains(t, err, "the file below it is signed too")
}

func TestVerify_otherKey(t *testing.T) {
	key, other := newKey(1), newKey(2)
	file := []byte("payload")
	signed := sign(t, file, key)

	_, err := check(signed, publicOf(other))
	require.ErrorIs(t, err, ErrSignature)
	require.ErrorContains(t, err, KeyIDOf(publicOf(key)).String())
	require.ErrorContains(t, err, KeyIDOf(publicOf(other)).String())

	// A trailer that names another key than the one that made it.
	id := KeyIDOf(publicOf(other))
	renamed := bytes.Clone(signed)
	copy(renamed[len(file)+tailAt:], id[:])

	for _, k := range []ed25519.PrivateKey{key, other} {
		_, err = check(renamed, publicOf(k))
		require.ErrorIs(t, err, ErrSignature)
	}
}

// TestVerify_otherDomain: what the key signed for another purpose is no signature here,
// though it is of the same bytes.
func TestVerify_otherDomain(t *testing.T) {
	key := newKey(1)
	file := []byte("payload")

	for name, o := range map[string]struct {
		opts    crypto.SignerOpts
		message func(*Signature) []byte
	}{
		"no context":      {&ed25519.Options{Hash: crypto.SHA512}, func(s *Signature) []byte { return s.digest(file) }},
		"another context": {&ed25519.Options{Hash: crypto.SHA512, Context: "else"}, func(s *Signature) []byte { return s.digest(file) }},
		"not prehashed":   {&ed25519.Options{Context: context}, func(s *Signature) []byte { return s.digest(file) }},
		"plain":           {crypto.Hash(0), func(s *Signature) []byte { return append(bytes.Clone(file), s.tail()...) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Signature{KeyID: KeyIDOf(publicOf(key)), length: uint64(len(file))}

			sig, err := key.Sign(nil, o.message(s), o.opts)
			require.NoError(t, err)
			copy(s.bytes[:], sig)

			require.ErrorIs(t, s.Verify(file, publicOf(key)), ErrSignature)
		})
	}
}

func TestVerify_badKeys(t *testing.T) {
	key := newKey(1)
	file, s, err := Split(sign(t, []byte("payload"), key))
	require.NoError(t, err)

	require.ErrorIs(t, s.Verify(file, nil), ErrKey)
	require.ErrorIs(t, s.Verify(file, publicOf(key)[:31]), ErrKey)
	require.ErrorIs(t, (&Signature{}).Verify(file, publicOf(key)), ErrSignature)
	require.ErrorIs(t, s.Verify(file[:3], publicOf(key)), ErrSignature)

	_, err = Sign(file, nil)
	require.ErrorIs(t, err, ErrKey)

	_, err = Sign(file, key[:32])
	require.ErrorIs(t, err, ErrKey)

	mixed := append(bytes.Clone(key[:32]), publicOf(newKey(2))...)

	_, err = Sign(file, mixed)
	require.ErrorIs(t, err, ErrKey, "two halves of different keys")
}

func TestKeyID(t *testing.T) {
	pub := publicOf(newKey(1))
	id := KeyIDOf(pub)

	require.Equal(t, KeyID(sha256.Sum256(pub)), id)

	for _, s := range []string{id.String(), strings.ToUpper(id.String())} {
		got, err := ParseKeyID(s)
		require.NoError(t, err)
		require.Equal(t, id, got)
	}

	for _, s := range []string{"", id.String()[1:], id.String() + "0", "g" + id.String()[1:], strings.Repeat(" ", 64)} {
		got, err := ParseKeyID(s)
		require.Error(t, err, "%q", s)
		require.Zero(t, got)
	}
}

// FuzzSplit: whatever the file, an answer or a typed error; and what verifies is what the
// key's owner signed.
func FuzzSplit(f *testing.F) {
	key := newKey(1)
	original := []byte("payload")
	signed := sign(f, original, key)

	f.Add(signed)
	f.Add([]byte(nil))
	f.Add([]byte(magic))
	f.Add(signed[len(original):])
	f.Add(append(bytes.Clone(signed), signed...))

	for i := 0; i < len(signed); i += 4 {
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		f.Add(bad)
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		file, s, err := Split(b)
		if err != nil {
			require.True(t, hasMagic(b) == is(err, ErrMalformed) && hasMagic(b) != is(err, ErrUnsigned), "%v", err)
			return
		}

		// The trailer has no second spelling.
		require.True(t, bytes.Equal(b, slices.Concat(file, s.bytes[:], s.tail())))

		switch err := s.Verify(file, publicOf(key)); {
		case err == nil:
			require.Equal(t, signed, b, "forged")
		default:
			require.ErrorIs(t, err, ErrSignature)
		}
	})
}
