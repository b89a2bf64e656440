package patch_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/payload"
	"github.com/vgraft/vgraft/patch"
)

func newKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func signed(t testing.TB, text string, key ed25519.PrivateKey) []byte {
	t.Helper()

	b, err := payload.Sign([]byte(text), key)
	require.NoError(t, err)

	return b
}

// loader makes a file with a name in it into a patch of alpha, and counts.
type loader struct{ loaded, released int }

func (l *loader) load(_ context.Context, file []byte) (patch.Spec, func(), error) {
	name := string(file)
	if name == "bad" {
		return patch.Spec{}, nil, errors.New("not a patch")
	}

	l.loaded++

	return patch.Spec{Name: name, Bindings: []patch.Binding{patch.Func(alpha, says(name))}, Mapped: 4096},
		func() { l.released++ }, nil
}

func uploads(o patch.Options) (*patch.Engine, *loader) {
	l := &loader{}
	o.Loader = l.load

	return patch.NewEngine(o), l
}

func TestUpload(t *testing.T) {
	key := newKey(1)
	e, l := uploads(patch.Options{TrustedKeys: []ed25519.PublicKey{publicOf(newKey(2)), publicOf(key)}})
	d := patch.NewDomain("d")
	file := signed(t, "fix", key)
	sum := sha256.Sum256(file)

	p, err := e.Upload(t.Context(), bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, "fix", p.Name())

	want := patch.File{SHA256: hex.EncodeToString(sum[:]), Size: len(file), Signer: patch.KeyIDOf(publicOf(key))}
	got, ok := p.File()
	require.True(t, ok)
	require.Equal(t, want, got)

	st, err := e.Get("fix")
	require.NoError(t, err)
	require.Equal(t, want, st.File)
	require.Equal(t, patch.Checked, st.State)
	require.Equal(t, declared, answers(d), "nothing is applied")

	_, err = e.Apply(t.Context(), p, patch.On(d))
	require.NoError(t, err)
	require.Equal(t, "fix beta gamma", answers(d))

	require.ErrorIs(t, e.Unload(t.Context(), p), patch.ErrApplied)
	require.Zero(t, l.released)

	_, err = e.Revert(t.Context(), p, patch.On(d))
	require.NoError(t, err)
	require.NoError(t, e.Unload(t.Context(), p))
	require.Equal(t, 1, l.released)

	// What it was mapped to is gone, so nothing may run it again.
	require.ErrorIs(t, e.Load(t.Context(), p), patch.ErrUnknown)

	for _, op := range []patch.Op{patch.OpApply, patch.OpReplace} {
		_, err = e.DryRun(t.Context(), op, p, patch.On(d))
		require.ErrorIs(t, err, patch.ErrUnknown)
	}

	_, err = e.Apply(t.Context(), p, patch.On(d))
	require.ErrorIs(t, err, patch.ErrUnknown)
	require.Equal(t, declared, answers(d))

	_, err = e.Upload(t.Context(), bytes.NewReader(file))
	require.NoError(t, err, "the file may come again")
}

func TestUpload_refused(t *testing.T) {
	key, other := newKey(1), newKey(2)
	ids := map[string]patch.KeyID{"key": patch.KeyIDOf(publicOf(key)), "other": patch.KeyIDOf(publicOf(other))}
	trusting := patch.Options{TrustedKeys: []ed25519.PublicKey{publicOf(key)}}

	flipped := signed(t, "fix", key)
	flipped[0] ^= 1

	malformed := append([]byte("x"), signed(t, "fix", key)...)
	with := func(f func(*patch.Options)) patch.Options { o := trusting; f(&o); return o }

	for name, tc := range map[string]struct {
		options patch.Options
		file    []byte
		want    error
		signer  patch.KeyID
	}{
		"unsigned":                 {trusting, []byte("fix"), patch.ErrUnsigned, ""},
		"empty":                    {trusting, nil, patch.ErrUnsigned, ""},
		"untrusted":                {trusting, signed(t, "fix", other), patch.ErrUntrusted, ids["other"]},
		"no key is trusted":        {patch.Options{}, signed(t, "fix", key), patch.ErrUntrusted, ids["key"]},
		"changed":                  {trusting, flipped, patch.ErrSignature, ids["key"]},
		"malformed":                {trusting, malformed, patch.ErrSignature, ""},
		"too large":                {with(func(o *patch.Options) { o.MaxFile = 130 }), signed(t, "fix", key), patch.ErrTooLarge, ""},
		"key revoked":              {with(func(o *patch.Options) { o.RevokedKeys = []patch.KeyID{ids["key"]} }), signed(t, "fix", key), patch.ErrRevoked, ids["key"]},
		"key revoked, not trusted": {patch.Options{RevokedKeys: []patch.KeyID{ids["key"]}}, signed(t, "fix", key), patch.ErrRevoked, ids["key"]},
		"key revoked, in upper case": {with(func(o *patch.Options) {
			o.RevokedKeys = []patch.KeyID{patch.KeyID(strings.ToUpper(string(ids["key"])))}
		}), signed(t, "fix", key), patch.ErrRevoked, ids["key"]},
		"a key that is none":     {patch.Options{TrustedKeys: []ed25519.PublicKey{publicOf(key), nil}}, signed(t, "fix", key), patch.ErrInvalid, ""},
		"allowed, but untrusted": {patch.Options{AllowUnsigned: true}, signed(t, "fix", key), patch.ErrUntrusted, ids["key"]},
		"not a name":             {trusting, signed(t, "a fix", key), patch.ErrInvalid, ids["key"]},
	} {
		t.Run(name, func(t *testing.T) {
			e, l := uploads(tc.options)

			p, err := e.Upload(t.Context(), bytes.NewReader(tc.file))
			require.ErrorIs(t, err, tc.want)
			require.Nil(t, p)
			require.Empty(t, e.List())
			require.Equal(t, l.loaded, l.released, "what was acquired is given back")

			var file *patch.FileError
			require.ErrorAs(t, err, &file)
			require.Equal(t, tc.signer, file.Signer)

			if !errors.Is(tc.want, patch.ErrInvalid) {
				require.Zero(t, l.loaded, "what isn't trusted is shown to no loader")
			}
		})
	}

	// Without a Loader it must be a payload, where there are any.
	want := patch.ErrNotSupported
	if runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") {
		want = patch.ErrNotPayload
	}

	_, err := patch.NewEngine(trusting).Upload(t.Context(), bytes.NewReader(signed(t, "fix", key)))
	require.ErrorIs(t, err, want)
}

func TestUpload_unsigned(t *testing.T) {
	e, _ := uploads(patch.Options{AllowUnsigned: true})

	p, err := e.Upload(t.Context(), strings.NewReader("fix"))
	require.NoError(t, err)

	f, _ := p.File()
	require.Empty(t, f.Signer)
	require.Equal(t, 3, f.Size)
}

// What was loaded is given back when the patch doesn't come to be, whoever is in the way.
func TestUpload_givesBack(t *testing.T) {
	e, l := uploads(patch.Options{AllowUnsigned: true})

	_, err := e.Upload(t.Context(), strings.NewReader("bad"))
	require.EqualError(t, errors.Unwrap(err), "not a patch")

	_, err = e.Upload(t.Context(), strings.NewReader("fix"))
	require.NoError(t, err)

	_, err = e.Upload(t.Context(), strings.NewReader("fix"))
	require.ErrorIs(t, err, patch.ErrDuplicate)
	require.Equal(t, loader{2, 1}, *l)
}

func TestUpload_readers(t *testing.T) {
	e, l := uploads(patch.Options{AllowUnsigned: true})

	broken := errors.New("broken")
	_, err := e.Upload(t.Context(), io.MultiReader(strings.NewReader("fix"), errReader{broken}))
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err = e.Upload(ctx, strings.NewReader("fix"))
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, l.loaded)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestUpload_loaderPanics(t *testing.T) {
	e := patch.NewEngine(patch.Options{AllowUnsigned: true, Loader: func(context.Context, []byte) (patch.Spec, func(), error) {
		panic("index out of range")
	}})

	_, err := e.Upload(t.Context(), strings.NewReader("fix"))
	require.ErrorIs(t, err, patch.ErrInvalid)
	require.ErrorContains(t, err, "index out of range")
}

// A hook of the patch is code of its file: as long as one runs, the file stays mapped.
func TestUpload_keptForAHookThatIsStuck(t *testing.T) {
	stuck, released := make(chan struct{}), make(chan struct{})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	e := patch.NewEngine(patch.Options{AllowUnsigned: true, Loader: func(context.Context, []byte) (patch.Spec, func(), error) {
		return patch.Spec{Name: "fix", Hooks: patch.Hooks{Load: func(context.Context) error {
			cancel()
			<-stuck

			return nil
		}}}, func() { close(released) }, nil
	}})

	_, err := e.Upload(ctx, strings.NewReader("fix"))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, e.List())

	select {
	case <-released:
		t.Fatal("given back under a hook that runs")
	default:
	}

	close(stuck)
	<-released
}

// A patch that each new domain gets isn't let go, though no domain has it yet.
func TestUnload_everywhere(t *testing.T) {
	e, l := uploads(patch.Options{AllowUnsigned: true})

	p, err := e.Upload(t.Context(), strings.NewReader("fix"))
	require.NoError(t, err)
	_, err = e.Apply(t.Context(), p, patch.Everywhere())
	require.NoError(t, err)
	require.ErrorIs(t, e.Unload(t.Context(), p), patch.ErrApplied)

	d := patch.NewDomain("d")
	require.NoError(t, e.Attach(t.Context(), d))
	require.Equal(t, "fix beta gamma", answers(d))

	d.Close()
	require.ErrorIs(t, e.Unload(t.Context(), p), patch.ErrApplied)

	_, err = e.Revert(t.Context(), p, patch.Everywhere())
	require.NoError(t, err)
	require.NoError(t, e.Unload(t.Context(), p))
	require.Equal(t, 1, l.released)
}

// While a patch's Load hook runs nobody applies it: it may be refused yet.
func TestLoad_notAppliedBeforeItsHook(t *testing.T) {
	var (
		e       = patch.NewEngine(patch.Options{})
		d       = patch.NewDomain("d")
		running = make(chan struct{})
		end     = make(chan struct{})
		refused = errors.New("refused")
		done    = make(chan error)
	)

	p, err := patch.Spec{
		Name:     "p",
		Bindings: []patch.Binding{patch.Func(alpha, says("p"))},
		Hooks:    patch.Hooks{Load: func(context.Context) error { close(running); <-end; return refused }},
	}.New()
	require.NoError(t, err)

	go func() { done <- e.Load(t.Context(), p) }()
	<-running

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()

	_, err = e.Apply(short, p, patch.On(d))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, e.Unload(short, p), context.DeadlineExceeded)

	close(end)
	require.ErrorIs(t, <-done, refused)
	require.Equal(t, declared, answers(d))
}

func TestReadPublicKeys(t *testing.T) {
	text, err := payload.PublicKeyPEM(publicOf(newKey(1)))
	require.NoError(t, err)

	keys, err := patch.ReadPublicKeys(text)
	require.NoError(t, err)
	require.Equal(t, []ed25519.PublicKey{publicOf(newKey(1))}, keys)

	_, err = patch.ReadPublicKeys([]byte("hello"))
	require.Error(t, err)
}
