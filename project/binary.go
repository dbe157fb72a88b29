package project

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// A loaded project is remembered in a form of its own, since none of the usual ones gives back what was put in: JSON and YAML
// leave fields out, and gob takes a list without elements for none, which is another command, and a pointer to false for
// none. This one has each field that is not zero, by its number in its type, so that only the same program can read
// what it wrote. It does without tags and names, and is some twenty times as quick to read as the files are to load.

// errNotPlain says that a value has something that cannot be written.
var errNotPlain = errors.New("not plain data")

// kinds of what a value without a type of its own, such as an extension, may be.
const (
	isNil = iota
	isBool
	isInt
	isInt64
	isUint64
	isFloat
	isString
	isMap
	isList
)

// plainTypes are the types of those kinds, by their numbers.
func plainTypes() []reflect.Type {
	return []reflect.Type{
		isBool: reflect.TypeFor[bool](), isInt: reflect.TypeFor[int](), isInt64: reflect.TypeFor[int64](), isUint64: reflect.TypeFor[uint64](),
		isFloat: reflect.TypeFor[float64](), isString: reflect.TypeFor[string](), isMap: reflect.TypeFor[map[string]any](), isList: reflect.TypeFor[[]any](),
	}
}

// writer makes bytes of a value.
type writer struct {
	out   []byte
	types []reflect.Type
}

// toBinary gives the bytes of what a pointer points to.
func toBinary(value any) ([]byte, error) {
	w := writer{types: plainTypes()}
	err := w.put(reflect.ValueOf(value).Elem())
	return w.out, err
}

func (w *writer) number(n int) { w.out = binary.AppendUvarint(w.out, uint64(n)) }

func (w *writer) put(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		w.out = append(w.out, map[bool]byte{true: 1}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.out = binary.AppendVarint(w.out, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.out = binary.AppendUvarint(w.out, v.Uint())
	case reflect.Float32, reflect.Float64:
		w.out = binary.BigEndian.AppendUint64(w.out, math.Float64bits(v.Float()))
	case reflect.String:
		w.number(v.Len())
		w.out = append(w.out, v.String()...)
	case reflect.Struct:
		return w.fields(v)
	case reflect.Slice:
		return w.list(v)
	case reflect.Map:
		return w.mapping(v)
	case reflect.Pointer:
		if v.IsNil() {
			w.number(0)
			return nil
		}
		w.number(1)
		return w.put(v.Elem())
	case reflect.Interface:
		return w.anything(v.Elem())
	default:
		return fmt.Errorf("%w: %s", errNotPlain, v.Type())
	}
	return nil
}

// fields writes those of a struct that are not zero, each after its number from 1 on, and a zero behind the last.
func (w *writer) fields(v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		if !v.Type().Field(i).IsExported() {
			return fmt.Errorf("%w: %s.%s", errNotPlain, v.Type(), v.Type().Field(i).Name)
		}
		w.number(i + 1)
		if err := w.put(f); err != nil {
			return err
		}
	}
	w.number(0)
	return nil
}

// length writes nil as 0, and else the length and one more; it is false where nothing comes after it.
func (w *writer) length(v reflect.Value) bool {
	if v.IsNil() {
		w.number(0)
		return false
	}
	w.number(v.Len() + 1)
	return true
}

func (w *writer) list(v reflect.Value) error {
	if !w.length(v) {
		return nil
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		w.out = append(w.out, v.Bytes()...)
		return nil
	}
	for i := range v.Len() {
		if err := w.put(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) mapping(v reflect.Value) error {
	if !w.length(v) {
		return nil
	}
	for each := v.MapRange(); each.Next(); {
		if err := w.put(each.Key()); err != nil {
			return err
		}
		if err := w.put(each.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) anything(v reflect.Value) error {
	if !v.IsValid() {
		w.number(isNil)
		return nil
	}
	for kind, t := range w.types {
		if t == v.Type() {
			w.number(kind)
			return w.put(v)
		}
	}
	return fmt.Errorf("%w: %s", errNotPlain, v.Type())
}

// reader makes a value of bytes.
type reader struct {
	in    string // texts are parts of it, and cost nothing
	types []reflect.Type
}

// errBroken says that bytes are not what was written.
var errBroken = errors.New("not what was written")

// fromBinary fills what a pointer points to, which has to be zero.
func fromBinary(data []byte, value any) error {
	r := reader{in: string(data), types: plainTypes()}
	if err := r.get(reflect.ValueOf(value).Elem()); err != nil {
		return err
	}
	if r.in != "" {
		return errBroken
	}
	return nil
}

func (r *reader) unsigned() (uint64, error) {
	var n uint64
	for i := 0; i < len(r.in) && i < binary.MaxVarintLen64; i++ {
		b := r.in[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.in = r.in[i+1:]
			return n, nil
		}
	}
	return 0, errBroken
}

// count reads how many things follow, each of which has at least a byte.
func (r *reader) count() (int, error) {
	n, err := r.unsigned()
	if err != nil || n > uint64(len(r.in))+1 {
		return 0, errBroken
	}
	return int(n), nil
}

func (r *reader) take(n int) (string, error) {
	if n > len(r.in) {
		return "", errBroken
	}
	text := r.in[:n]
	r.in = r.in[n:]
	return text, nil
}

func (r *reader) get(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		n, err := r.unsigned()
		v.SetBool(n != 0)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := r.unsigned()
		signed := int64(n>>1) ^ -int64(n&1)
		if err != nil || v.OverflowInt(signed) {
			return errBroken
		}
		v.SetInt(signed)
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := r.unsigned()
		if err != nil || v.OverflowUint(n) {
			return errBroken
		}
		v.SetUint(n)
		return nil
	case reflect.Float32, reflect.Float64:
		text, err := r.take(8)
		if err == nil {
			v.SetFloat(math.Float64frombits(binary.BigEndian.Uint64([]byte(text))))
		}
		return err
	case reflect.String:
		n, err := r.count()
		if err != nil {
			return err
		}
		text, err := r.take(n)
		v.SetString(text)
		return err
	case reflect.Struct:
		return r.fields(v)
	case reflect.Slice:
		return r.list(v)
	case reflect.Map:
		return r.mapping(v)
	case reflect.Pointer:
		if n, err := r.unsigned(); err != nil || n == 0 {
			return err
		}
		v.Set(reflect.New(v.Type().Elem()))
		return r.get(v.Elem())
	case reflect.Interface:
		return r.anything(v)
	}
	return errBroken
}

func (r *reader) fields(v reflect.Value) error {
	for {
		n, err := r.unsigned()
		if err != nil || n == 0 {
			return err
		}
		if n > uint64(v.NumField()) || !v.Field(int(n)-1).CanSet() {
			return errBroken
		}
		if err := r.get(v.Field(int(n) - 1)); err != nil {
			return err
		}
	}
}

func (r *reader) list(v reflect.Value) error {
	n, err := r.count()
	if err != nil || n == 0 {
		return err
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		text, err := r.take(n - 1)
		v.SetBytes([]byte(text))
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
	for i := range n - 1 {
		if err := r.get(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) mapping(v reflect.Value) error {
	n, err := r.count()
	if err != nil || n == 0 {
		return err
	}
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, n-1))
	for range n - 1 {
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if err := r.get(key); err != nil {
			return err
		}
		if err := r.get(value); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func (r *reader) anything(v reflect.Value) error {
	kind, err := r.unsigned()
	if err != nil || kind == isNil {
		return err
	}
	if kind >= uint64(len(r.types)) {
		return errBroken
	}
	value := reflect.New(r.types[kind]).Elem()
	if err := r.get(value); err != nil {
		return err
	}
	v.Set(value)
	return nil
}
