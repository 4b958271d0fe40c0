package main

import (
	"flag"
	"fmt"
	"log"
	"os/exec"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

const (
	settle     = 100 * time.Millisecond // changes come in bursts
	retryAfter = time.Second
)

// runPolicies enforces NetworkPolicies on one node: it writes an nftables table anew whenever a
// pod, namespace or policy changes. What the rules say is rules.go's.
func runPolicies() {
	kubeconfig := flag.String("kubeconfig", "", "credentials for the API server")
	flag.Parse()
	factory := informers.NewSharedInformerFactory(connect(*kubeconfig), 0)
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	changed := noteChanges(pods.Informer(), namespaces.Informer(), policies.Informer())
	factory.Start(nil)
	factory.WaitForCacheSync(nil)

	loaded := ""
	for range changed {
		now, err := read(pods.Lister().List, namespaces.Lister().List, policies.Lister().List)
		if err == nil && now.table() != loaded {
			loaded, err = now.table(), load(now.table())
		}
		if err != nil {
			log.Print(err)
			loaded = ""
			time.Sleep(retryAfter)
			note(changed)
		}
		time.Sleep(settle)
	}
}

// noteChanges gives a channel that holds one word while something has changed since it was read.
func noteChanges(informers ...cache.SharedIndexInformer) chan struct{} {
	changed := make(chan struct{}, 1)
	for _, informer := range informers {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { note(changed) },
			UpdateFunc: func(_, _ any) { note(changed) },
			DeleteFunc: func(any) { note(changed) },
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	return changed
}

func note(changed chan struct{}) {
	select {
	case changed <- struct{}{}:
	default: // noted already
	}
}

type list[T any] func(labels.Selector) ([]T, error)

func read(pods list[*core.Pod], namespaces list[*core.Namespace], policies list[*networking.NetworkPolicy]) (*network, error) {
	everyPod, err := pods(labels.Everything())
	if err != nil {
		return nil, err
	}
	everyNamespace, err := namespaces(labels.Everything())
	if err != nil {
		return nil, err
	}
	everyPolicy, err := policies(labels.Everything())
	if err != nil {
		return nil, err
	}
	return newNetwork(everyPod, everyNamespace, everyPolicy), nil
}

func load(table string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(table)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s\n%s", err, out, table)
	}
	return nil
}
