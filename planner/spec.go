package planner

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/project/canonical"
)

// maxSpec bounds what a label may inflate to, in bytes: labels are written by whoever can
// reach the engine.
const maxSpec = 8 << 20

// EncodeSpec packs canonical JSON, or another text, into the value of a label such as [LabelSpec].
func EncodeSpec(canonical []byte) string {
	var codec specCodec
	return codec.encode(string(canonical))
}

// DecodeSpec unpacks what EncodeSpec has packed.
func DecodeSpec(label string) ([]byte, error) {
	var codec specCodec
	text, err := codec.decode(label)
	if err != nil {
		return nil, err
	}
	return []byte(text), nil
}

// specCodec packs and unpacks spec labels, with what can be used again kept.
type specCodec struct {
	deflate *flate.Writer
	inflate io.ReadCloser
	buffer  bytes.Buffer
	label   []byte // of the text that is packed or unpacked
	packed  []byte
	// known are the texts of labels, since several rules ask for that of the same container; mostly of the one that was last asked for.
	known map[string]string
	last  struct{ label, text string }
	read  map[string]applied
}

func (c *specCodec) encode(canonical string) string {
	c.buffer.Reset()
	if c.deflate == nil {
		// Any other level begins each text with clearing half a megabyte, and saves a fiftieth of the label. This one is a
		// constant in range, and a buffer does not fail. This library makes the same of it as the standard one in half the time.
		c.deflate, _ = flate.NewWriter(&c.buffer, flate.BestSpeed)
	} else {
		c.deflate.Reset(&c.buffer)
	}
	c.packed = append(c.packed[:0], canonical...)
	_, _ = c.deflate.Write(c.packed)
	_ = c.deflate.Close()
	c.label = base64.StdEncoding.AppendEncode(c.label[:0], c.buffer.Bytes())
	return string(c.label)
}

func (c *specCodec) decode(label string) (string, error) {
	if label == c.last.label && label != "" {
		return c.last.text, nil
	}
	text, ok := c.known[label]
	if !ok {
		var err error
		if text, err = c.unpack(label); err != nil {
			return "", fmt.Errorf("unpack spec label: %w", err)
		}
		if c.known == nil {
			c.known = map[string]string{}
		}
		c.known[label] = text
	}
	c.last.label, c.last.text = label, text
	return text, nil
}

func (c *specCodec) unpack(label string) (string, error) {
	var err error
	c.label = append(c.label[:0], label...)
	if c.packed, err = base64.StdEncoding.AppendDecode(c.packed[:0], c.label); err != nil {
		return "", err
	}
	packed := bytes.NewReader(c.packed)
	if c.inflate == nil {
		c.inflate = flate.NewReader(packed)
	} else if err := c.inflate.(flate.Resetter).Reset(packed, nil); err != nil {
		return "", err
	}
	c.buffer.Reset()
	if _, err := io.Copy(&c.buffer, io.LimitReader(c.inflate, maxSpec+1)); err != nil {
		return "", err
	}
	if c.buffer.Len() > maxSpec {
		return "", errors.New("it is too long")
	}
	return c.buffer.String(), nil
}

// says whether a label is that of a service's canonical JSON. To unpack it is ten times as quick as to pack the other one.
func (c *specCodec) says(label, canonical string) bool {
	if label == "" {
		return false
	}
	text, err := c.decode(label)
	return err == nil && text == canonical
}

// applied is the part of a recorded service that is needed again when the file
// is not at hand: hooks, and endpoints.
type applied struct {
	ContainerName string
	PostStart     []project.ServiceHook
	PreStop       []project.ServiceHook
	Ports         []project.ServicePort
	Networks      map[string]*project.ServiceNetwork
	MacAddress    string
}

// field is where a key of the service goes; nil for one that is not needed.
func (a *applied) field(key string) any {
	switch key {
	case "container_name":
		return &a.ContainerName
	case "post_start":
		return &a.PostStart
	case "pre_stop":
		return &a.PreStop
	case "ports":
		return &a.Ports
	case "networks":
		return &a.Networks
	case "mac_address":
		return &a.MacAddress
	}
	return nil
}

// readApplied reads a spec. Most of it is passed by.
func readApplied(spec string) (applied, error) {
	var a applied
	fields, err := canonical.Fields(spec)
	for _, f := range fields {
		if to := a.field(f.Name); to != nil && err == nil {
			err = json.Unmarshal([]byte(f.Value), to)
		}
	}
	if err != nil {
		return applied{}, fmt.Errorf("read spec: %w", err)
	}
	return a, nil
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
	if text, err := c.decode(label); err == nil {
		a, _ = readApplied(text) // of what cannot be read nothing is known
	}
	if c.read == nil {
		c.read = map[string]applied{}
	}
	c.read[label] = a
	return a
}
