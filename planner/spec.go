package planner

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/musterhq/muster/project"
)

// maxSpec bounds what a label may inflate to, in bytes: labels are written by whoever can
// reach the engine.
const maxSpec = 8 << 20

// EncodeSpec packs canonical JSON, or another text, into the value of a label such as [LabelSpec].
func EncodeSpec(canonical []byte) string {
	var codec specCodec
	return codec.encode(canonical)
}

// DecodeSpec unpacks what EncodeSpec has packed.
func DecodeSpec(label string) ([]byte, error) {
	var codec specCodec
	return codec.decode(label)
}

// specCodec packs and unpacks spec labels, with what can be used again kept.
type specCodec struct {
	deflate *flate.Writer
	inflate io.ReadCloser
	buffer  bytes.Buffer
	// known are the texts of labels, since several rules ask for that of the same container.
	known map[string][]byte
	read  map[string]applied
}

func (c *specCodec) encode(canonical []byte) string {
	c.buffer.Reset()
	if c.deflate == nil {
		// Any other level begins each text with clearing half a megabyte, and saves a fiftieth of the label. This one is a
		// constant in range, and a buffer does not fail.
		c.deflate, _ = flate.NewWriter(&c.buffer, flate.BestSpeed)
	} else {
		c.deflate.Reset(&c.buffer)
	}
	_, _ = c.deflate.Write(canonical)
	_ = c.deflate.Close()
	return base64.StdEncoding.EncodeToString(c.buffer.Bytes())
}

// decode gives a text that nobody may change.
func (c *specCodec) decode(label string) ([]byte, error) {
	if text, ok := c.known[label]; ok {
		return text, nil
	}
	packed := base64.NewDecoder(base64.StdEncoding, strings.NewReader(label))
	if c.inflate == nil {
		c.inflate = flate.NewReader(packed)
	} else if err := c.inflate.(flate.Resetter).Reset(packed, nil); err != nil {
		return nil, fmt.Errorf("unpack spec label: %w", err)
	}
	c.buffer.Reset()
	if _, err := io.Copy(&c.buffer, io.LimitReader(c.inflate, maxSpec+1)); err != nil {
		return nil, fmt.Errorf("unpack spec label: %w", err)
	}
	if c.buffer.Len() > maxSpec {
		return nil, errors.New("unpack spec label: it is too long")
	}
	if c.known == nil {
		c.known = map[string][]byte{}
	}
	text := bytes.Clone(c.buffer.Bytes())
	c.known[label] = text
	return text, nil
}

// says whether a label is that of a service's canonical JSON. To unpack it is ten times as quick as to pack the other one.
func (c *specCodec) says(label string, canonical []byte) bool {
	if label == "" {
		return false
	}
	text, err := c.decode(label)
	return err == nil && bytes.Equal(text, canonical)
}

// applied is the part of a recorded service that is needed again when the file
// is not at hand: hooks, and endpoints.
type applied struct {
	ContainerName string                             `json:"container_name"`
	PostStart     []project.ServiceHook              `json:"post_start"`
	PreStop       []project.ServiceHook              `json:"pre_stop"`
	Ports         []project.ServicePort              `json:"ports"`
	Networks      map[string]*project.ServiceNetwork `json:"networks"`
	MacAddress    string                             `json:"mac_address"`
}

// recorded reads back what a container was made from; the zero value where it has no record. Nobody may change it.
func (c *specCodec) recorded(labels map[string]string) applied {
	label := labels[LabelSpec]
	if label == "" {
		return applied{}
	}
	if a, ok := c.read[label]; ok {
		return a
	}
	var a applied
	if text, err := c.decode(label); err != nil || json.Unmarshal(text, &a) != nil {
		a = applied{}
	}
	if c.read == nil {
		c.read = map[string]applied{}
	}
	c.read[label] = a
	return a
}
