package patch

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"sync"
)

// trust is what an engine lets in.
type trust struct {
	loader   Loader
	maxFile  int
	unsigned bool // files without a signature
	keys     map[KeyID]ed25519.PublicKey
	err      error // what was wrong with the options

	mu          sync.Mutex // guards what follows
	revoked     map[ID]bool
	revokedKeys map[KeyID]bool
}

func newTrust(o Options) *trust {
	t := &trust{
		loader: o.Loader, maxFile: o.MaxFile, unsigned: o.AllowUnsigned,
		keys: map[KeyID]ed25519.PublicKey{}, revoked: map[ID]bool{}, revokedKeys: map[KeyID]bool{},
	}

	if t.maxFile <= 0 {
		t.maxFile = defaultMaxFile
	}

	for i, k := range o.TrustedKeys {
		// To go on with fewer keys than were meant would look like patches that nobody
		// trusts, much later.
		if len(k) != ed25519.PublicKeySize {
			t.err = fmt.Errorf("%w: trusted key %d of the options has %d bytes", ErrInvalid, i, len(k))
		}

		t.keys[KeyIDOf(k)] = k
	}

	for _, id := range o.Revoked {
		t.revoked[normal(id)] = true
	}

	for _, k := range o.RevokedKeys {
		t.revokedKeys[normal(k)] = true
	}

	return t
}

// normal is an id as the package writes it.
func normal[S ~string](id S) S { return S(strings.ToLower(string(id))) }

// Revoke has the engine take the patch with this id no more: it can't be uploaded, loaded,
// applied, or put in place of others. Where it is applied it stays, and is listed as
// revoked: reverting and unloading it are the operator's to do, and work as ever. As long
// as it is applied everywhere, no further domain can be attached: such a domain would have
// to begin with it. A transition that is under way isn't called back. It lasts as long as
// the engine; Options.Revoked is for what is known from the start.
func (e *Engine) Revoke(id ID) {
	id = normal(id)

	e.trust.mu.Lock()
	e.trust.revoked[id] = true
	e.trust.mu.Unlock()

	e.emit(Event{Kind: EventRevoked, ID: id, Patch: e.nameOf(id)})
}

// RevokeKey does the same for every patch that was, or will be, uploaded with a signature
// of this key.
func (e *Engine) RevokeKey(key KeyID) {
	key = normal(key)

	e.trust.mu.Lock()
	e.trust.revokedKeys[key] = true
	e.trust.mu.Unlock()

	e.emit(Event{Kind: EventRevoked, Key: key})
}

func (e *Engine) nameOf(id ID) string {
	if s, err := e.Get(string(id)); err == nil {
		return s.Patch.Name()
	}

	return ""
}

func (t *trust) keyRevoked(k KeyID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.revokedKeys[k]
}

// revokes says why the patch is revoked; empty is that it isn't.
func (t *trust) revokes(p *Patch) string {
	t.mu.Lock()
	defer t.mu.Unlock()

	switch {
	case t.revoked[p.ID()]:
		return "its id, " + string(p.ID())
	case p.file.Signer != "" && t.revokedKeys[p.file.Signer]:
		return "key " + string(p.file.Signer) + ", which signed it"
	}

	return ""
}

// permits says whether the operation may bring the patch in. What takes a patch away is
// always permitted.
func (t *trust) permits(op Op, p *Patch) error {
	if op != OpUpload && op != OpApply && op != OpReplace {
		return nil
	}

	if why := t.revokes(p); why != "" {
		return &StateError{Op: op, Patch: p.Name(), Err: ErrRevoked, Detail: why}
	}

	if p.life.isGone() {
		return &StateError{Op: op, Patch: p.Name(), Err: ErrUnknown, Detail: "it was unloaded, and with it what its file was mapped to: upload the file again"}
	}

	return nil
}

// permitted is plan for patches that may come: what a patch expects is asked by code that
// may be its own, and gone.
func (t *transit) permitted(ctx context.Context) error {
	if err := t.trust.permits(t.op, t.patch); err != nil {
		return err
	}

	if err := t.plan(ctx); err != nil {
		return err
	}

	return t.planWords()
}
