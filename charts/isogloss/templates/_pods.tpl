{{/* What the pods have in common: who they run as, where they run, how callers are known. */}}

{{- define "isogloss.podSecurity" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
fsGroup: 999
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "isogloss.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 999
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* (list $ component pod-values): a pod template's metadata. */}}
{{- define "isogloss.podMetadata" -}}
{{- $ := index . 0 -}}{{- $pod := index . 2 -}}
labels:
  {{- include "isogloss.labels" (list $ (index . 1)) | nindent 2 }}
  {{- with $pod.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $pod.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* (list $ component pod-values replicas): all of a pod's spec but containers and volumes. */}}
{{- define "isogloss.podSpec" -}}
{{- $ := index . 0 -}}{{- $component := index . 1 -}}{{- $pod := index . 2 -}}
serviceAccountName: {{ include "isogloss.fullname" $ }}-{{ $component }}
enableServiceLinks: false
securityContext:
  {{- include "isogloss.podSecurity" $ | nindent 2 }}
terminationGracePeriodSeconds: {{ $pod.terminationGracePeriodSeconds }}
{{- with $pod.priorityClassName | default $.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $pod.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $pod.topologySpreadConstraints | nindent 2 }}
{{- else if gt (int (index . 3)) 1 }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "isogloss.selector" (list $ $component) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{/* The token that a workload presents to our services. */}}
{{- define "isogloss.tokenVolume" -}}
name: isogloss-token
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken:
        audience: {{ .Values.tokens.audience }}
        expirationSeconds: {{ .Values.tokens.expirationSeconds }}
        path: token
{{- end }}

{{- define "isogloss.tokenMount" -}}
{name: isogloss-token, mountPath: /var/run/isogloss, readOnly: true}
{{- end }}

{{/* (list name port): a service's probes. */}}
{{- define "isogloss.probes" -}}
ports:
  - {name: http, containerPort: {{ index . 0 }}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* (list $ prefix port): what every service is told. */}}
{{- define "isogloss.environment" -}}
{{- $ := index . 0 -}}{{- $prefix := printf "ISOGLOSS_%s" (index . 1) -}}
- {name: {{ $prefix }}_HOST, value: {{ $.Values.listenHost | quote }}}
- {name: {{ $prefix }}_PORT, value: {{ index . 2 | quote }}}
- {name: {{ $prefix }}_LOG_LEVEL, value: {{ $.Values.logLevel }}}
- {name: {{ $prefix }}_SHUTDOWN_DELAY_SECONDS, value: "5"}
- {name: {{ $prefix }}_CALLERS, value: kubernetes}
- {name: {{ $prefix }}_CALLERS_AUDIENCE, value: {{ $.Values.tokens.audience | quote }}}
- {name: {{ $prefix }}_NAMESPACE, value: {{ $.Release.Namespace }}}
{{- with $.Values.issuer }}
{{- if .url }}
- {name: {{ $prefix }}_CALLERS_ISSUER, value: {{ .url | quote }}}
{{- if .keys }}
- {name: {{ $prefix }}_CALLERS_ISSUER_KEYS, value: {{ .keys | quote }}}
{{- end }}
- {name: {{ $prefix }}_CALLERS_ISSUER_ROLES, value: {{ .roles | toJson | quote }}}
- {name: {{ $prefix }}_CALLERS_ISSUER_ALGORITHMS, value: {{ join "," .algorithms | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* (list $ component port [name]): a service's Service; the port is `http`, or of that name. */}}
{{- define "isogloss.service" -}}
{{- $ := index . 0 -}}{{- $port := "http" -}}
{{- if gt (len .) 3 }}{{ $port = index . 3 }}{{ end -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "isogloss.fullname" $ }}-{{ index . 1 }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "isogloss.labels" (list $ (index . 1)) | nindent 4 }}
spec:
  selector:
    {{- include "isogloss.selector" (list $ (index . 1)) | nindent 4 }}
  ports:
    - {name: {{ $port }}, port: {{ index . 2 }}, targetPort: {{ $port }}}
{{- end }}

{{/* (list $ component): a ServiceAccount whose token is only mounted where a pod asks for it. */}}
{{- define "isogloss.serviceAccount" -}}
{{- $ := index . 0 -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "isogloss.fullname" $ }}-{{ index . 1 }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "isogloss.labels" (list $ (index . 1)) | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{/* (list $ component persistence): a service's volume claim, unless one exists. */}}
{{- define "isogloss.claim" -}}
{{- $ := index . 0 -}}{{- $persistence := index . 2 -}}
{{- if not $persistence.existingClaim }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "isogloss.fullname" $ }}-{{ index . 1 }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "isogloss.labels" (list $ (index . 1)) | nindent 4 }}
  {{- if $persistence.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with $persistence.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ $persistence.size }}
{{- end }}
{{- end }}

{{/* (list $ component persistence): the volume of that claim. */}}
{{- define "isogloss.claimVolume" -}}
name: data
persistentVolumeClaim:
  claimName: {{ (index . 2).existingClaim | default (printf "%s-%s" (include "isogloss.fullname" (index . 0)) (index . 1)) }}
{{- end }}

{{/* (list volume secret): a Secret's files, readable by the pod's group only. */}}
{{- define "isogloss.secretVolume" -}}
name: {{ index . 0 }}
secret:
  secretName: {{ index . 1 }}
  defaultMode: 0440
{{- end }}
