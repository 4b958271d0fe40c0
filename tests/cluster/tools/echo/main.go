// Command echo is both ends of a request in tests of a cluster, so that a test needs to reach
// nothing but the API server: it answers as a predictor would and remembers the request ids it
// saw (GET /seen), and it calls an address from where it runs (POST /calls).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	callTimeout  = 2 * time.Second // for one call; a refused or dropped packet fails by then
	mostAtOnce   = 8
	drainTimeout = 10 * time.Second
)

func main() {
	e := &echo{name: os.Getenv("NAME"), seen: []string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/models/{model}", e.predict)
	mux.HandleFunc("GET /v1/models/{model}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /seen", e.list)
	mux.HandleFunc("GET /metrics", e.metrics)
	mux.HandleFunc("POST /calls", calls)
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- shutDown(server) }()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
}

// shutDown waits for a signal, then for the requests that are being answered.
func shutDown(server *http.Server) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	<-ctx.Done()
	limit, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	return server.Shutdown(limit)
}

type echo struct {
	name string
	lock sync.Mutex
	seen []string // x-request-id of every prediction, in order of arrival
}

type answer struct {
	Name      string `json:"name"`
	RequestID string `json:"request_id"`
}

func (e *echo) predict(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	e.lock.Lock()
	e.seen = append(e.seen, id)
	e.lock.Unlock()
	respond(w, answer{e.name, id})
}

func (e *echo) list(w http.ResponseWriter, _ *http.Request) {
	e.lock.Lock()
	defer e.lock.Unlock()
	respond(w, e.seen)
}

func (e *echo) metrics(w http.ResponseWriter, _ *http.Request) {
	e.lock.Lock()
	defer e.lock.Unlock()
	fmt.Fprintf(w, "# TYPE echo_predictions_total counter\necho_predictions_total %d\n", len(e.seen))
}

// order is what /calls is asked to do: COUNT posts to URL, which names HOST in their headers.
type order struct {
	URL       string `json:"url"`
	Host      string `json:"host"`
	RequestID string `json:"request_id"`
	Count     int    `json:"count"`
}

// outcome of one call: its status is 0 when no answer came, and Error says why.
type outcome struct {
	Status int    `json:"status"`
	Error  string `json:"error"`
	Answer answer `json:"answer"`
}

func calls(w http.ResponseWriter, r *http.Request) {
	var wanted order
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	client := &http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxConnsPerHost: mostAtOnce}}
	defer client.CloseIdleConnections()
	outcomes := make([]outcome, wanted.Count)
	var all sync.WaitGroup
	turns := make(chan struct{}, mostAtOnce)
	for i := range outcomes {
		turns <- struct{}{}
		all.Add(1)
		go func() {
			defer all.Done()
			outcomes[i] = call(client, wanted)
			<-turns
		}()
	}
	all.Wait()
	respond(w, outcomes)
}

func call(client *http.Client, wanted order) outcome {
	request, err := http.NewRequest(http.MethodPost, wanted.URL, nil)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	request.Host = wanted.Host
	if wanted.RequestID != "" {
		request.Header.Set("X-Request-Id", wanted.RequestID)
	}
	response, err := client.Do(request)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	defer response.Body.Close()
	result := outcome{Status: response.StatusCode}
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&result.Answer); err != nil {
			result.Error = err.Error()
		}
	}
	return result
}

func respond(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}
