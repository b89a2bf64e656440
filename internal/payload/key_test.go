package payload

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func is(err, target error) bool { return errors.Is(err, target) }

// What openssl genpkey -algorithm ed25519 and openssl pkey -pubout wrote. The key was
// made for this test and guards nothing. The id is from
//
//	openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | sha256sum
const (
	opensslPrivate = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIFZuAUxsSo4HCxeyAONf5mXUPU1ZNgzk1WgJvRIWX9x2
-----END PRIVATE KEY-----
`
	opensslPublic = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAhdXjk3lcVs9SS1AYQpkcUtM6jlF6x45+Dj/C7oo2PVY=
-----END PUBLIC KEY-----
`
	opensslID = "f7569784537dc26d46c85190537d67f466ff85829b60abbbd7433da2ecb42b29"

	// Of other kinds.
	p256Private = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgl3XNUbrxtbkTiZD2
yZo6mL2cslWvmaVKG+2Uo1WZw/ehRANCAAQMl9N2Futex42Y9ZkQSYtVhjr5Xe2y
329k84kz3wXKX7+5jcfURAePWK+TAFt4QacIbfsEz+0+XACawdL0++VY
-----END PRIVATE KEY-----
`
	p256Public = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkdffK54l1qjKHN17t+bkUBHOhvY0
qXbUj5w0vxRLIx1X00IscdmJIQH38tRujG7FXbXLPR37trQ9CWFkDlxl1w==
-----END PUBLIC KEY-----
`
	x25519Public = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAL/ZxK36srTHPkolzsYcirUDYIkiLoIePIDWXVws3Skg=
-----END PUBLIC KEY-----
`
)

func TestKeys_openssl(t *testing.T) {
	key, err := ReadPrivateKey([]byte(opensslPrivate))
	require.NoError(t, err)

	keys, err := ReadPublicKeys([]byte(opensslPublic))
	require.NoError(t, err)
	require.Equal(t, []ed25519.PublicKey{publicOf(key)}, keys)
	require.Equal(t, opensslID, KeyIDOf(keys[0]).String())

	_, err = check(sign(t, []byte("payload"), key), keys[0])
	require.NoError(t, err)

	text, err := PrivateKeyPEM(key)
	require.NoError(t, err)
	require.Equal(t, opensslPrivate, string(text))

	text, err = PublicKeyPEM(keys[0])
	require.NoError(t, err)
	require.Equal(t, opensslPublic, string(text))
}

func TestReadPublicKeys_several(t *testing.T) {
	var (
		file strings.Builder
		want []ed25519.PublicKey
	)

	for seed := range byte(3) {
		text, err := PublicKeyPEM(publicOf(newKey(seed)))
		require.NoError(t, err)

		file.WriteString("the key of somebody\n")
		file.Write(text)

		want = append(want, publicOf(newKey(seed)))
	}

	got, err := ReadPublicKeys([]byte(file.String()))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestKeys_refused(t *testing.T) {
	torn := opensslPublic[:len(opensslPublic)/2]
	damaged := strings.Replace(opensslPublic, "MCow", "MCo!", 1)

	for name, file := range map[string]string{
		"empty":             "",
		"no PEM":            "hello",
		"torn":              torn,
		"torn after a key":  opensslPublic + torn,
		"damaged, then one": damaged + opensslPublic,
		"a private key":     opensslPrivate,
		"public, private":   opensslPublic + opensslPrivate,
		"P-256":             p256Public,
		"Ed25519, P-256":    opensslPublic + p256Public,
		"X25519":            x25519Public,
		"no DER":            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
	} {
		t.Run("public/"+name, func(t *testing.T) {
			keys, err := ReadPublicKeys([]byte(file))
			require.ErrorIs(t, err, ErrKey)
			require.Empty(t, keys)
		})
	}

	for name, file := range map[string]string{
		"empty":        "",
		"torn":         opensslPrivate[:len(opensslPrivate)/2],
		"two":          opensslPrivate + opensslPrivate,
		"a public key": opensslPublic,
		"P-256":        p256Private,
		"encrypted":    strings.ReplaceAll(opensslPrivate, "PRIVATE", "ENCRYPTED PRIVATE"),
		"no DER":       "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		t.Run("private/"+name, func(t *testing.T) {
			key, err := ReadPrivateKey([]byte(file))
			require.ErrorIs(t, err, ErrKey)
			require.Empty(t, key)
		})
	}

	_, err := PublicKeyPEM(nil)
	require.ErrorIs(t, err, ErrKey)

	_, err = PrivateKeyPEM(make([]byte, 32))
	require.ErrorIs(t, err, ErrKey)
}

// FuzzReadKeys: whatever the file, keys that can be written again, or an ErrKey.
func FuzzReadKeys(f *testing.F) {
	for _, s := range []string{opensslPublic, opensslPrivate, p256Public, p256Private, x25519Public, opensslPublic + opensslPublic} {
		f.Add([]byte(s))
	}

	f.Fuzz(func(t *testing.T, file []byte) {
		keys, err := ReadPublicKeys(file)
		require.True(t, err == nil && len(keys) > 0 || is(err, ErrKey), "%v", err)

		for _, k := range keys {
			_, err := PublicKeyPEM(k)
			require.NoError(t, err)
		}

		key, err := ReadPrivateKey(file)
		if err != nil {
			require.ErrorIs(t, err, ErrKey)
			return
		}

		_, err = PrivateKeyPEM(key)
		require.NoError(t, err)
	})
}
