package main

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"steadfeed/fakebinance"
)

// example is a curl of a text.
type example struct{ method, url, body string }

// examples finds the lines of curl in a text.
func examples(t *testing.T, text string) (found []example) {
	t.Helper()
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
	for line := range strings.Lines(text) {
		line, is := strings.CutPrefix(strings.TrimSpace(line), "curl ")
		if !is {
			continue
		}
		one := example{method: http.MethodGet}
		words := word.FindAllString(line, -1)
		for i := 0; i < len(words) && words[i] != "#"; i++ {
			switch words[i] {
			case "-X":
				i++
				one.method = words[i]
			case "-d":
				i++
				one.method, one.body = http.MethodPost, strings.Trim(words[i], "'")
			default:
				one.url = strings.Trim(words[i], `"`)
			}
		}
		if !strings.HasPrefix(one.url, "localhost:944") {
			t.Errorf("not an example that can be tried: curl %s", line)
			continue
		}
		found = append(found, one)
	}
	return found
}

// Every curl of the README and of the command's own words does what it says: it
// is tried against the command.
func TestExamples(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := func(arguments ...string) string {
		var out output
		if status := run(t.Context(), append([]string{"fakebinance"}, arguments...), &out, &out); status != 0 {
			t.Fatalf("%v: exit %d", arguments, status)
		}
		return out.String()
	}
	for from, text := range map[string]string{"README.md": string(readme), "-h": said("-h"), "faults": said("faults"), "GET /": ""} {
		t.Run(from, func(t *testing.T) {
			stderr, stop := start(t, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-tls")
			control, rest := stderr.find(t, `url=http://(\S+)`), stderr.find(t, `rest=(https://\S+)`)
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			if from == "GET /" {
				text = strings.ReplaceAll(ask(t, client, example{http.MethodGet, "http://" + control + "/", ""}), control, "localhost:9444")
			}
			all := examples(t, text)
			if len(all) < 2 {
				t.Errorf("%d examples", len(all))
			}
			for _, one := range all {
				one.url = strings.Replace("http://"+one.url, "localhost:9444", control, 1)
				one.url = strings.Replace(one.url, "http://localhost:9443", rest, 1)
				ask(t, client, one)
				if one.method == http.MethodPost && strings.HasSuffix(one.url, "/faults") {
					endAll(t.Context(), t, fakebinance.NewClient("http://"+control))
				}
			}
			if status := stop(); status != 0 {
				t.Errorf("exit %d", status)
			}
		})
	}
}

// ask makes a request that must succeed.
func ask(t *testing.T, client *http.Client, one example) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), one.method, one.url, strings.NewReader(one.body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Errorf("%s %s %s: %s %s, %v", one.method, one.url, one.body, response.Status, answer, err)
	}
	return string(answer)
}

// endAll makes room for the next fault of a kind.
func endAll(ctx context.Context, t *testing.T, client *fakebinance.Client) {
	t.Helper()
	_, all, err := client.Faults(ctx)
	for _, injection := range all {
		if injection.Active && err == nil {
			_, err = client.End(ctx, injection.N)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
