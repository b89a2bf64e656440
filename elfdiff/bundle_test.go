package elfdiff

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bundleOf writes a build.
func bundleOf(t testing.TB, b *Build) []byte {
	t.Helper()

	var w bytes.Buffer

	require.NoError(t, b.WriteBundle(&w))

	return w.Bytes()
}

func openBytes(bundle []byte) (*Build, error) {
	return OpenBundle(bytes.NewReader(bundle), int64(len(bundle)))
}

// requireRoundTrip wants the same build back, and the same bundle from it.
func requireRoundTrip(t testing.TB, b *Build) {
	t.Helper()

	bundle := bundleOf(t, b)

	got, err := openBytes(bundle)
	require.NoError(t, err)
	require.Equal(t, b, got)
	require.True(t, bytes.Equal(bundle, bundleOf(t, got)))
}

func TestBundle_file(t *testing.T) {
	b, _ := open(t, sources())
	name := filepath.Join(t.TempDir(), "bundle")
	bundle := bundleOf(t, b)

	require.True(t, IsBundle(bundle[:16]))
	require.False(t, IsBundle(b.ELF))
	require.NoError(t, os.WriteFile(name, bundle, 0o666))

	got, err := ReadBundle(name)
	require.NoError(t, err)
	require.Equal(t, b, got)

	_, err = ReadBundle(name + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBundle_sameContentOnce(t *testing.T) {
	b, _ := open(t, sources())
	n := len(bundleOf(t, b))

	// Bytes that can't be packed: the build's own, hashed.
	var noise []byte
	for i := range 1 << 12 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		noise = append(noise, sum[:]...)
	}

	c := *b
	c.Objects = append(append([]Object{}, b.Objects...),
		Object{Package: "zz/a", Archive: append([]byte(archiveMagic), noise...)}, Object{Package: "zz/b", Archive: append([]byte(archiveMagic), noise...)})

	requireRoundTrip(t, &c)
	require.InDelta(t, n+len(noise), len(bundleOf(t, &c)), 500)
}

// small is a build whose bundle is small enough to damage each of its bytes. Its ELF file
// is of no program, so that what is read well ends with ErrNotGo.
func small(t testing.TB) []byte {
	return bundleOf(t, &Build{
		ELF:      []byte("\x7fELF" + strings.Repeat("not a program ", 20)),
		Objects:  []Object{{Package: "a", Archive: []byte(archiveMagic), Safe: true}, {Package: "b", Archive: []byte(archiveMagic + strings.Repeat("b", 1<<10))}},
		packages: []string{"a"},
		profile:  []byte("profile"),
	})
}

func TestBundle_damaged(t *testing.T) {
	good := small(t)

	_, err := openBytes(good)
	require.ErrorIs(t, err, ErrNotGo)

	for n := range good {
		_, err := openBytes(good[:n])
		require.ErrorIs(t, err, ErrBundle, "cut to %d bytes", n)

		// The file says that it is longer than it is.
		_, err = OpenBundle(bytes.NewReader(good[:n]), int64(len(good)))
		require.ErrorIs(t, err, ErrBundle, "ends after %d bytes", n)

		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[n] ^= 1 << bit

			// Some bits of a packed blob say nothing. Then the content is the same.
			_, err := openBytes(bad)
			require.True(t, errors.Is(err, ErrBundle) || n > len(good)-200 && errors.Is(err, ErrNotGo), "bit %d of byte %d: %v", bit, n, err)
		}
	}

	_, err = openBytes(append(bytes.Clone(good), 0))
	require.ErrorIs(t, err, ErrBundle)
}

// forge writes a bundle with another index, whose sum is right.
func forge(t testing.TB, good []byte, change func(*bundleIndex)) []byte {
	t.Helper()

	n := binary.LittleEndian.Uint64(good[bundleSizeAt:])

	var x bundleIndex
	require.NoError(t, json.Unmarshal(good[bundleHeader:bundleHeader+n], &x))
	change(&x)

	var w bytes.Buffer
	require.NoError(t, writeBundle(&w, &x, [][]byte{good[bundleHeader+n:]}))

	return w.Bytes()
}

func TestBundle_forged(t *testing.T) {
	good := small(t)

	_, err := openBytes(forge(t, good, func(*bundleIndex) {}))
	require.ErrorIs(t, err, ErrNotGo)

	for name, change := range map[string]func(*bundleIndex){
		"no blob":           func(x *bundleIndex) { x.ELF = len(x.Blobs) },
		"negative blob":     func(x *bundleIndex) { x.Objects[0].Blob = -1 },
		"no profile":        func(x *bundleIndex) { *x.Profile = 1 << 30 },
		"same package":      func(x *bundleIndex) { x.Objects[1].Package = x.Objects[0].Package },
		"packages shuffled": func(x *bundleIndex) { x.Objects[0], x.Objects[1] = x.Objects[1], x.Objects[0] },
		"huge":              func(x *bundleIndex) { x.Blobs[0].Size = 1 << 62 },
		"bomb":              func(x *bundleIndex) { x.Blobs[0].Size = x.Blobs[0].Packed * (maxRatio + 1) },
		"negative":          func(x *bundleIndex) { x.Blobs[0].Size = -1 },
		"negative packed":   func(x *bundleIndex) { x.Blobs[0].Packed = -x.Blobs[0].Packed },
		"too large packed":  func(x *bundleIndex) { x.Blobs[0].Packed = 1 << 62; x.Blobs[0].Size = 1 << 62 },
		"larger":            func(x *bundleIndex) { x.Blobs[0].Size++ },
		"smaller":           func(x *bundleIndex) { x.Blobs[0].Size-- },
		"less":              func(x *bundleIndex) { x.Blobs = x.Blobs[:len(x.Blobs)-1] },
		"more":              func(x *bundleIndex) { x.Blobs = append(x.Blobs, bundleBlob{Size: 1, Packed: 1}) },
		"other sum":         func(x *bundleIndex) { x.Blobs[1].Sum = x.Blobs[0].Sum },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openBytes(forge(t, good, change))
			require.ErrorIs(t, err, ErrBundle)
		})
	}
}

// FuzzOpenBundle: whatever the bytes, a build or an error that says what is wrong.
func FuzzOpenBundle(f *testing.F) {
	good := small(f)
	f.Add(good, false)
	f.Add(good[:len(good)/2], false)
	f.Add([]byte(bundleMagic), false)

	n := binary.LittleEndian.Uint64(good[bundleSizeAt:])
	f.Add(good[bundleHeader:bundleHeader+n], true)
	f.Add([]byte(`{"blobs":[{"size":1000000,"packed":20000}]}`), true)

	f.Fuzz(func(t *testing.T, in []byte, index bool) {
		// As a whole, or as an index with a right sum, which is what an attacker writes.
		if index {
			sum := sha256.Sum256(in)
			head := bytes.Clone(good[:bundleHeader])
			binary.LittleEndian.PutUint64(head[bundleSizeAt:], uint64(len(in)))
			copy(head[bundleSumAt:], sum[:])
			in = append(append(head, in...), good[bundleHeader+n:]...)
		}

		_, err := openBytes(in)
		require.True(t, errors.Is(err, ErrBundle) || errors.Is(err, ErrNotGo) || errors.Is(err, ErrStripped), "%v", err)
	})
}

// BenchmarkOpenBundle opens the bundle of a small program.
func BenchmarkOpenBundle(b *testing.B) {
	build, _ := open(b, sources())
	bundle := bundleOf(b, build)

	b.SetBytes(int64(len(build.ELF)))
	b.ReportMetric(float64(len(bundle)), "bundle-bytes")

	for b.Loop() {
		_, err := openBytes(bundle)
		require.NoError(b, err)
	}
}
