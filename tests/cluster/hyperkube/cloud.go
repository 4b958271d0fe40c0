package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	provisioner       = "isogloss.test/directory"
	provisionedBy     = "pv.kubernetes.io/provisioned-by"
	claimsProvisioner = "volume.kubernetes.io/storage-provisioner"
	retryEverything   = 10 * time.Second // whatever failed is tried again this often
	worldWritable     = 0o777            // any user of a pod may write
)

// cloud gives the cluster what a cloud provider would: addresses for Services of type
// LoadBalancer (kube-proxy answers there) and volumes for claims (directories on the node).
type cloud struct {
	client    kubernetes.Interface
	last      netip.Addr // the highest address given out so far
	node      string
	directory string
}

func runCloud() {
	kubeconfig := flag.String("kubeconfig", "", "credentials for the API server")
	addresses := flag.String("addresses", "", "for load balancers, such as 10.97.0.0/24")
	node := flag.String("node", "", "the node's name")
	directory := flag.String("volumes", "", "directory for volumes")
	flag.Parse()
	c := &cloud{connect(*kubeconfig), netip.MustParsePrefix(*addresses).Addr(), *node, *directory}
	if err := c.learnAddresses(); err != nil {
		log.Fatalf("listing services: %v", err)
	}
	factory := informers.NewSharedInformerFactory(c.client, retryEverything)
	each(factory.Core().V1().Services().Informer(), c.giveAddress)
	each(factory.Core().V1().PersistentVolumeClaims().Informer(), c.provision)
	each(factory.Core().V1().PersistentVolumes().Informer(), c.reclaim)
	factory.Start(nil)
	select {}
}

// each calls a function for every object that is there, comes or changes, one at a time,
// and logs what went wrong.
func each[T any](informer cache.SharedIndexInformer, do func(T) error) {
	try := func(object any) {
		if err := do(object.(T)); err != nil {
			log.Print(err)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    try,
		UpdateFunc: func(_, object any) { try(object) },
	})
	if err != nil {
		log.Fatal(err)
	}
}

// learnAddresses finds what an earlier process gave out, so that no address is given twice.
func (c *cloud) learnAddresses() error {
	services, err := c.client.CoreV1().Services("").List(context.Background(), meta.ListOptions{})
	if err != nil {
		return err
	}
	for _, service := range services.Items {
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			if given, err := netip.ParseAddr(ingress.IP); err == nil && c.last.Less(given) {
				c.last = given
			}
		}
	}
	return nil
}

func (c *cloud) giveAddress(service *core.Service) error {
	if service.Spec.Type != core.ServiceTypeLoadBalancer || len(service.Status.LoadBalancer.Ingress) > 0 {
		return nil
	}
	service = service.DeepCopy()
	c.last = c.last.Next()
	service.Status.LoadBalancer.Ingress = []core.LoadBalancerIngress{{IP: c.last.String()}}
	_, err := c.client.CoreV1().Services(service.Namespace).UpdateStatus(context.Background(), service, meta.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("service %s/%s: %s: %w", service.Namespace, service.Name, c.last, err)
	}
	log.Printf("service %s/%s: %s", service.Namespace, service.Name, c.last)
	return nil
}

func (c *cloud) provision(claim *core.PersistentVolumeClaim) error {
	if claim.Spec.VolumeName != "" || claim.Annotations[claimsProvisioner] != provisioner {
		return nil
	}
	path := filepath.Join(c.directory, "pvc-"+string(claim.UID))
	if err := os.MkdirAll(path, worldWritable); err != nil {
		return err
	}
	if err := os.Chmod(path, worldWritable); err != nil { // whatever our umask
		return err
	}
	_, err := c.client.CoreV1().PersistentVolumes().Create(context.Background(), c.volume(claim, path), meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	log.Printf("claim %s/%s: %s", claim.Namespace, claim.Name, path)
	return err
}

// volume is a directory of the node, for this claim alone.
func (c *cloud) volume(claim *core.PersistentVolumeClaim, path string) *core.PersistentVolume {
	onThisNode := core.NodeSelectorRequirement{
		Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{c.node},
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{
			Name:        filepath.Base(path),
			Annotations: map[string]string{provisionedBy: provisioner},
		},
		Spec: core.PersistentVolumeSpec{
			Capacity: core.ResourceList{
				core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage],
			},
			AccessModes:                   claim.Spec.AccessModes,
			StorageClassName:              *claim.Spec.StorageClassName,
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			ClaimRef: &core.ObjectReference{
				Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{
					{MatchExpressions: []core.NodeSelectorRequirement{onThisNode}},
				},
			}},
		},
	}
}

// reclaim removes the directory of a claim that is gone.
func (c *cloud) reclaim(volume *core.PersistentVolume) error {
	if volume.Status.Phase != core.VolumeReleased || volume.Annotations[provisionedBy] != provisioner {
		return nil
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return err
	}
	log.Printf("volume %s: removed", volume.Name)
	return c.client.CoreV1().PersistentVolumes().Delete(context.Background(), volume.Name, meta.DeleteOptions{})
}
