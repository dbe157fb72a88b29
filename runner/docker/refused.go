package docker

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// runtimeRefusal is how a runtime begins what it says in the place of a command that it could not begin. The engine passes
// it on as if the command had printed it, with exit code 126.
const runtimeRefusal = "OCI runtime exec failed: "

// refusalHeld passes on what a command prints, but holds back what may be the runtime's word that it could not begin it.
type refusalHeld struct {
	to   io.Writer
	held bytes.Buffer
	open bool // what was printed is the command's
}

func (h *refusalHeld) Write(p []byte) (int, error) {
	if h.open {
		return h.to.Write(p)
	}
	h.held.Write(p)
	n := min(h.held.Len(), len(runtimeRefusal))
	if string(h.held.Bytes()[:n]) == runtimeRefusal[:n] && h.held.Len() <= probeOutput {
		return len(p), nil
	}
	return len(p), h.pass()
}

// pass writes on what is held back, and all that comes from now on.
func (h *refusalHeld) pass() error {
	h.open = true
	_, err := h.held.WriteTo(h.to)
	return err
}

// refused is the runtime's word that it did not get the command into its container, which the same try a moment later may. That
// there is no such program is a refusal too, but one for good, and the command's own result.
func (h *refusalHeld) refused() error {
	text := strings.TrimSpace(h.held.String())
	if h.open || !strings.HasPrefix(text, runtimeRefusal) || !strings.Contains(text, "setns process") {
		return nil
	}
	return errors.New(text)
}
