package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDebian(t *testing.T) {
	for _, c := range []struct{ name, apt, want, err string }{
		{"several", "echo http://a.example/debian-security/; echo http://b.example/debian/; echo http://c.example/debian", "http://b.example/debian", ""},
		{"another system", "echo http://a.example/ubuntu/", "", "knows no mirror"},
		{"fails", "exit 100", "", "indextargets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n"+c.apt+"\n"), 0o755))
			t.Setenv("PATH", dir)

			got, err := Debian(t.Context())
			require.Equal(t, c.want, got)

			if c.err != "" {
				require.ErrorContains(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
