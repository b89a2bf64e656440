package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

const typeLines = "application/jsonl"

// stream sends events until the caller goes, is too slow, or the server ends. The answer
// begins when the events do, so that a caller who has its status misses none.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	events, stop := h.engine.Events()
	defer stop()

	rc := http.NewResponseController(w)
	defer context.AfterFunc(r.Context(), func() { _ = rc.SetWriteDeadline(time.Unix(1, 0)) })()

	w.Header().Set("Content-Type", typeLines)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)

	if rc.Flush() != nil {
		return
	}

	lines := json.NewEncoder(w)

	for {
		select {
		case <-r.Context().Done():
			return
		case ev := <-events:
			_ = rc.SetWriteDeadline(time.Now().Add(h.Transfer))

			if r.Context().Err() != nil || lines.Encode(EventOf(ev)) != nil || rc.Flush() != nil {
				return
			}
		}
	}
}
