package patch

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vgraft/vgraft/internal/payload"
)

// Loader makes a file into what a patch consists of: it maps code, say, and finds its
// functions. It is called with files that Upload trusts, from any goroutine, and must take
// them as buggy all the same; one that panics has refused the file. The file is the
// Loader's to keep, without the signature.
//
// What the Loader acquired is given back by release, which may be nil. It is called once:
// when the last engine has let the patch go and no hook of it runs any more, or when the
// patch didn't come to be. After that the patch can't be loaded again.
type Loader func(ctx context.Context, file []byte) (s Spec, release func(), err error)

// defaultMaxFile is many times what a patch of a few hundred functions needs.
const defaultMaxFile = 16 << 20

// KeyID names a public key: the SHA-256 of its 32 bytes, in hexadecimal, lower case.
type KeyID string

// KeyIDOf is the name of a key.
func KeyIDOf(key ed25519.PublicKey) KeyID { return KeyID(payload.KeyIDOf(key).String()) }

// ReadPublicKeys reads a file of keys to trust: one or more PEM blocks, as openssl
// pkey -pubout writes them. A file of which not everything is understood is refused.
func ReadPublicKeys(file []byte) ([]ed25519.PublicKey, error) {
	keys, err := payload.ReadPublicKeys(file)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}

	return keys, nil
}

// File is what is known of the file that a patch was uploaded as.
type File struct {
	SHA256 string // of all that was uploaded, the signature too; in hexadecimal
	Size   int    // of the same, in bytes
	Signer KeyID  // empty where it isn't signed
}

// File is what the patch was uploaded as; there is none for one made by New.
func (p *Patch) File() (f File, ok bool) { return p.file, p.file.SHA256 != "" }

// FileError is a file that Upload refused. Nothing was changed.
type FileError struct {
	File // as far as it is known: a signer that wasn't verified is a claim
	Err  error
}

func (e *FileError) Error() string {
	s := "patch: upload"
	if e.SHA256 != "" {
		s += fmt.Sprintf(" of %d bytes, sha256 %s", e.Size, e.SHA256)
	}

	if e.Signer != "" {
		s += fmt.Sprintf(", key %s", e.Signer)
	}

	return s + ": " + e.Err.Error()
}

// Unwrap gives Err.
func (e *FileError) Unwrap() error { return e.Err }

// Upload reads a patch from a file, checks who signed it, and loads it. Nothing is
// applied. The file is read to its end, or to the bound on its size.
//
// A file is code that somebody else brings into the process, so it must be signed with a
// key that the options trust. A patch made by New needs no signature: its functions
// are in the program already, and who can call Load can call them.
//
// An engine without a Loader takes what elfdiff makes of two builds of the program. Such a
// payload is checked against the program that runs, and mapped near its code, no page ever
// writable and executable at once. Initialisers and a Load hook of it run now; otherwise
// nothing of it is known to the Go runtime before it is applied. One that changes words of
// the process or entries of its functions, beside binding slots, is for Everywhere:
// ErrProcessWide otherwise.
//
// The error is a *FileError with ErrNotSupported, ErrTooLarge, ErrUnsigned, ErrUntrusted,
// ErrSignature, ErrRevoked, or what the Loader says, for payloads one of those from
// ErrNotPayload to ErrRuntime; or it is one of Load.
func (e *Engine) Upload(ctx context.Context, r io.Reader) (*Patch, error) {
	start := time.Now()

	p, err := e.trust.open(ctx, r)
	if err != nil {
		r := Report{Op: OpUpload, Took: time.Since(start)}
		e.tell(r, err)
		e.record(ctx, r, err) // whoever tries is to be seen

		return nil, err
	}

	if err := e.Load(ctx, p); err != nil {
		p.life.free() // what Load left behind is nothing: it has told why

		return nil, err
	}

	return p, nil
}

// open makes a file into a patch that no engine knows yet.
func (t *trust) open(ctx context.Context, r io.Reader) (*Patch, error) {
	var f File

	refuse := func(err error) (*Patch, error) { return nil, &FileError{File: f, Err: err} }

	switch {
	case t.loader == nil:
		return refuse(fmt.Errorf("%w: the engine has no Loader, and payloads are for linux/amd64 and linux/arm64", ErrNotSupported))
	case t.err != nil:
		return refuse(t.err)
	}

	data, err := io.ReadAll(io.LimitReader(&ctxReader{ctx, r}, int64(t.maxFile)+1))

	switch {
	case err != nil:
		return refuse(err)
	case len(data) > t.maxFile:
		return refuse(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, t.maxFile))
	}

	sum := sha256.Sum256(data)
	f.SHA256, f.Size = hex.EncodeToString(sum[:]), len(data)

	content, signer, err := t.verify(data)
	if f.Signer = signer; err != nil {
		return refuse(err)
	}

	s, release, err := callLoader(ctx, t.loader, content)
	if err != nil {
		return refuse(err)
	}

	p, err := s.New()
	if err != nil {
		if release != nil {
			release()
		}

		return refuse(err)
	}

	p.file, p.life.unmap = f, release

	if s.Provenance.empty() {
		p.spec.Provenance = Provenance{} // a file that doesn't say isn't of this program
	}

	return p, nil
}

// verify gives the file without its signature, and who signed it. A signature that is
// there must hold, even where none is needed: whoever signed the file meant something.
func (t *trust) verify(data []byte) (file []byte, signer KeyID, err error) {
	file, sig, err := payload.Split(data)

	switch {
	case errors.Is(err, payload.ErrUnsigned) && t.unsigned:
		return data, "", nil
	case errors.Is(err, payload.ErrUnsigned):
		return nil, "", ErrUnsigned
	case err != nil:
		return nil, "", fmt.Errorf("%w: %w", ErrSignature, err)
	}

	signer = KeyID(sig.KeyID.String())

	switch key, trusted := t.keys[signer]; {
	case t.keyRevoked(signer):
		return nil, signer, fmt.Errorf("%w: the key", ErrRevoked)
	case !trusted:
		return nil, signer, ErrUntrusted
	default:
		if err := sig.Verify(file, key); err != nil {
			return nil, signer, fmt.Errorf("%w: %w", ErrSignature, err)
		}
	}

	return file, signer, nil
}

// callLoader has a Loader that panics refuse the file: it must not be one file's means to
// end the process.
func callLoader(ctx context.Context, l Loader, file []byte) (s Spec, release func(), err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: the loader panicked: %v", ErrInvalid, v)
		}
	}()

	return l(ctx, file)
}

// ctxReader ends with its context, between two reads.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}

	return r.r.Read(b)
}
