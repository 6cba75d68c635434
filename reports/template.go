package reports

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// The three sources of the page. Style and script are put into it as they are,
// and the policy of the page allows these two by their hashes and nothing else.
var (
	//go:embed assets/report.gohtml
	layoutText string
	//go:embed assets/report.css
	style string
	//go:embed assets/report.js
	script string
)

var layout = template.Must(template.New("report").Funcs(template.FuncMap{
	"icon":  icon,
	"upper": strings.ToUpper,
}).Parse(layoutText))

// document is a page in its frame.
type document struct {
	*page
	Policy string
	Style  template.HTML
	Script template.HTML
	Icons  template.HTML
}

func render(w io.Writer, p *page) error {
	return layout.Execute(w, document{
		page:   p,
		Policy: policy(),
		Style:  template.HTML("<style>" + style + "</style>"),
		Script: template.HTML("<script>" + script + "</script>"),
		Icons:  template.HTML(icons),
	})
}

// policy forbids the page everything but its own style and script, so that a
// text from a run that slipped through escaping could still do nothing.
func policy() string {
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'", hash(style), hash(script))
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// icons are shapes that differ without their colour: a disc with a tick, an
// octagon with a cross, a triangle with a question mark, a ring.
const icons = `<svg class="symbols" aria-hidden="true" focusable="false">
<symbol id="i-pass" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7.5" fill="currentColor"/><path class="stroke" d="M4.4 8.3l2.5 2.6 4.7-5.4"/></symbol>
<symbol id="i-fail" viewBox="0 0 16 16"><path d="M5 .5h6L15.5 5v6L11 15.5H5L.5 11V5z" fill="currentColor"/><path class="stroke" d="M5.2 5.2l5.6 5.6m0-5.6l-5.6 5.6"/></symbol>
<symbol id="i-inconclusive" viewBox="0 0 16 16"><path d="M8 .6L15.8 15H.2z" fill="currentColor"/><path class="stroke" d="M6.3 7.6c.1-2.4 3.5-2.2 3.4-.1 0 1.4-1.7 1.3-1.7 2.9M8 12.6v.1"/></symbol>
<symbol id="i-none" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="1.6"/></symbol>
</svg>`

// icon is the shape of an outcome; the word always stands beside it.
func icon(s state) template.HTML {
	class := s.Class
	switch class {
	case "pass", "fail", "inconclusive":
	default:
		class = "none"
	}
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="#i-` + class + `"/></svg>`)
}
