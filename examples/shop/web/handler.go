package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// page is what a browser sees.
type page struct {
	Book
	Version, LogLevel, Host string
}

// orders is what the handler needs of the store; tests have their own.
type orders interface {
	Check(ctx context.Context) error
	Take(ctx context.Context, item string) (Order, error)
	Book(ctx context.Context) (Book, error)
}

// newHandler answers:
//
//	GET  /          the page
//	GET  /orders    the same as JSON
//	POST /orders    takes the form value "item"; browsers are sent back to the page
//	GET  /healthz   200 when database and cache answer, else 503 and what does not
//
// Every answer names the container that gave it in X-Served-By.
func newHandler(shop orders, log *slog.Logger) http.Handler {
	host, _ := os.Hostname()
	view := template.Must(template.New("page").Parse(pageText))
	fail := func(w http.ResponseWriter, r *http.Request, err error) {
		log.Error("failed", "method", r.Method, "path", r.URL.Path, "error", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		book, err := shop.Book(r.Context())
		if err != nil {
			fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = view.Execute(w, page{Book: book, Version: version(), LogLevel: setting("LOG_LEVEL", "info"), Host: host})
	})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		book, err := shop.Book(r.Context())
		if err != nil {
			fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, book)
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		item := strings.TrimSpace(r.FormValue("item"))
		if item == "" {
			http.Error(w, "say which item: item=…", http.StatusBadRequest)
			return
		}
		order, err := shop.Take(r.Context(), item)
		if err != nil {
			fail(w, r, err)
			return
		}
		log.Debug("took an order", "id", order.ID, "item", item)
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		writeJSON(w, http.StatusCreated, order)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := shop.Check(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, http.StatusOK, "ok")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", host)
		mux.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
