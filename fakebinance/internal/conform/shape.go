package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// maxShown is how many elements of an array a shape tells apart.
const maxShown = 1

var decimalText = regexp.MustCompile(`^\d+\.(\d+)$`)

// shape is a JSON text with its fields in their order and its values reduced
// to their kind, so that two moments of a market compare as equal: integers
// of 13 digits are "ms", of 16 "us", decimals say how many places they have.
func shape(text string) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var b bytes.Buffer
	if err := shapeValue(d, &b, ""); err != nil {
		return "", fmt.Errorf("shape of %.200s: %w", text, err)
	}
	return b.String(), nil
}

func shapeValue(d *json.Decoder, b *bytes.Buffer, field string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim:
		return shapeInside(d, b, v)
	case string:
		if parts := decimalText.FindStringSubmatch(v); parts != nil {
			fmt.Fprintf(b, `"decimal.%d"`, len(parts[1]))
		} else {
			fmt.Fprintf(b, "%q", v)
		}
	case json.Number:
		switch len(v.String()) {
		case 13:
			b.WriteString("ms")
		case 16:
			b.WriteString("us")
		default:
			b.WriteString("int")
		}
	case bool:
		if field == "M" || field == "isBestMatch" {
			fmt.Fprint(b, v)
		} else {
			b.WriteString("bool")
		}
	default:
		b.WriteString("null")
	}
	return nil
}

func shapeInside(d *json.Decoder, b *bytes.Buffer, open json.Delim) error {
	b.WriteRune(rune(open))
	for n := 0; d.More(); n++ {
		field := ""
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			field = key.(string)
			if n > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%s:", field)
		}
		into := b
		if open == '[' && n >= maxShown {
			into = new(bytes.Buffer)
		}
		if err := shapeValue(d, into, field); err != nil {
			return err
		}
	}
	end, err := d.Token()
	if err == nil {
		b.WriteRune(rune(end.(json.Delim)))
	}
	return err
}
