package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vgraft/vgraft/internal/payload"
)

// signed is what is said of a key or a signature.
type signed struct {
	File    string `json:"file"`
	KeyID   string `json:"keyID"`
	Public  string `json:"public,omitempty"`  // file of the public key
	Trusted bool   `json:"trusted,omitempty"` // verified with one of the keys
}

func (t *tool) keygen(context.Context) error {
	if t.output == "" {
		return usage("keygen: -o is missing")
	}

	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}

	private, err := payload.PrivateKeyPEM(key)
	if err != nil {
		return err
	}

	public, err := payload.PublicKeyPEM(pub)
	if err != nil {
		return err
	}

	name := t.output + ".pub"
	if err := create(name, public, 0o644); err != nil {
		return err
	}

	if err := create(t.output, private, 0o600); err != nil {
		return errors.Join(err, os.Remove(name))
	}

	id := payload.KeyIDOf(pub).String()

	return t.say(signed{File: t.output, Public: name, KeyID: id}, "%s, %s: key %s", t.output, name, id)
}

// create makes a file that isn't there yet.
func create(name string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}

	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}

	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
	}

	return err
}

func (t *tool) sign(context.Context) error {
	if t.key == "" || t.output == "" {
		return usage("sign: -key and -o are needed")
	}

	file, err := t.read(t.args[0])
	if err != nil {
		return err
	}

	out, id, err := signWith(t.key, file)
	if err != nil {
		return err
	}

	if err := write(t.output, func(w io.Writer) error { _, err := w.Write(out); return err }); err != nil {
		return err
	}

	return t.say(signed{File: t.output, KeyID: id}, "%s: signed with key %s", t.output, id)
}

func (t *tool) verify(context.Context) error {
	if t.keys == "" {
		return usage("verify: -keys is needed")
	}

	text, err := os.ReadFile(t.keys)
	if err != nil {
		return err
	}

	keys, err := payload.ReadPublicKeys(text)
	if err != nil {
		return fmt.Errorf("%s: %w", t.keys, err)
	}

	file, err := t.read(t.args[0])
	if err != nil {
		return err
	}

	content, s, err := payload.Split(file)
	if err != nil {
		return fmt.Errorf("%s: %w", t.args[0], err)
	}

	for _, k := range keys {
		if payload.KeyIDOf(k) != s.KeyID {
			continue
		}

		if err := s.Verify(content, k); err != nil {
			return fmt.Errorf("%s: %w", t.args[0], err)
		}

		return t.say(signed{File: t.args[0], KeyID: s.KeyID.String(), Trusted: true}, "%s: signed with key %s, which is trusted", t.args[0], s.KeyID)
	}

	return fmt.Errorf("%s: %w: it claims key %s, which is not in %s", t.args[0], errRefused, s.KeyID, t.keys)
}
