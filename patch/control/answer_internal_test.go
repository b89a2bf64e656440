package control

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAnswer: whatever a server answers, a client has an answer or an error.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"patches":[{"name":"a"}],"domains":[],"slots":null}`,
		`{"patch":{"name":"a"},"report":{}}`,
		`{"error":{"text":"x","kind":"state","op":"apply","wrapped":[{"kind":"sentinel","code":"busy","text":"y"},null]}}`,
		`{"error":{"kind":"hook","panic":"p","stack":"s"}}`,
		`{"error":{"kind":"file","size_bytes":1,"signer":"00"}}`,
		`{"kind":"applied","error":{"text":"x"}}`,
	} {
		f.Add(http.StatusOK, []byte(s))
		f.Add(http.StatusConflict, []byte(s))
	}

	f.Fuzz(func(t *testing.T, code int, body []byte) {
		var a answer

		err := a.read("/", code, body)
		require.True(t, err != nil || a.Error == nil && code == http.StatusOK)

		if _, err := a.thePatch(err); err == nil {
			require.NotNil(t, a.Patch)
		}

		a.Report.Report()

		var ev Event
		if json.Unmarshal(body, &ev) == nil {
			EventOf(ev.Event())
		}

		// What can be said of an error on this side can be said on the next one.
		if a.Error != nil {
			again := ErrorOf(err)
			require.Equal(t, err.Error(), again.Text)
		}

	})
}
