package nest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vgraft/vgraft/internal/mirror"
)

// debianKeyring has the keys that Debian's package lists are signed with.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// privateApt takes packages of one release for one architecture from Debian, by
// package lists of its own: this machine's apt isn't touched, and need not know
// the architecture.
type privateApt struct {
	apt
	root, arch, suite string
}

func newPrivateApt(root, arch, suite string) privateApt {
	options := []string{
		"Dir::State=" + filepath.Join(root, "state"),
		"Dir::State::status=" + filepath.Join(root, "state", "status"),
		"Dir::Cache=" + filepath.Join(root, "cache"),
		"Dir::Etc::SourceList=" + filepath.Join(root, "sources.list"),
		"Dir::Etc::SourceParts=-",
		"APT::Architecture=" + arch,
		"APT::Architectures=" + arch,
		"APT::Sandbox::User=root",
		// Package names and hashes only.
		"Acquire::Languages=none",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
	}
	p := privateApt{root: root, arch: arch, suite: suite}
	for _, o := range options {
		p.options = append(p.options, "-o", o)
	}
	return p
}

// newest is apt's, for lists that are there.
func (p privateApt) newest(ctx context.Context, meta string) (pkg, version string, err error) {
	if _, err := os.Stat(filepath.Join(p.root, "sources.list")); err != nil {
		return "", "", fmt.Errorf("no package lists of %s for %s yet", p.suite, p.arch)
	}
	return p.apt.newest(ctx, meta)
}

func (p privateApt) refresh(ctx context.Context) error {
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(p.root, dir), 0o755); err != nil {
			return err
		}
	}
	// Several flavours share the lists.
	unlock, err := lockFile(ctx, filepath.Join(p.root, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.WriteFile(filepath.Join(p.root, "state", "status"), nil, 0o644); err != nil {
		return err
	}
	from, err := mirror.Debian(ctx)
	if err != nil {
		return err
	}
	source := fmt.Sprintf("deb [arch=%s signed-by=%s] %s %s main\n", p.arch, debianKeyring, from, p.suite)
	if err := os.WriteFile(filepath.Join(p.root, "sources.list"), []byte(source), 0o644); err != nil {
		return err
	}
	_, err = p.run(ctx, "", "apt-get", "-qq", "update")
	return err
}

// wholeApt takes a package with others beside it, and all that they depend on, but for
// one path.
type wholeApt struct {
	privateApt
	beside  []string
	without string
}

func (w wholeApt) fetch(ctx context.Context, pkg, version, dir string) error {
	err := unpack(ctx, dir, func(debs string) error {
		if err := os.Mkdir(filepath.Join(debs, "partial"), 0o755); err != nil {
			return err
		}
		// Nothing is installed where apt looks, so it is all there. Nor is there anything
		// to be locked: the files are ours alone.
		args := append([]string{
			"-o", "Dir::Cache::archives=" + debs, "-o", "Debug::NoLocking=1",
			"-qq", "--yes", "--no-install-recommends", "--download-only", "install", pkg + "=" + version,
		}, w.beside...)
		_, err := w.run(ctx, debs, "apt-get", args...)
		return err
	})
	if err != nil || w.without == "" {
		return err
	}
	return os.RemoveAll(filepath.Join(dir, w.without))
}
