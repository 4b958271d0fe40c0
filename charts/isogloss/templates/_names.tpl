{{/* What things are called, and the labels by which they are found. */}}

{{- define "isogloss.fullname" -}}
{{- if contains "isogloss" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-isogloss{{ end }}
{{- end }}

{{/* Of cluster-scoped objects, which two releases of one name would share. */}}
{{- define "isogloss.clusterName" -}}
{{ include "isogloss.fullname" . }}-{{ .Release.Namespace }}
{{- end }}

{{/* (list $ component): these never change, as a Deployment's selector cannot. */}}
{{- define "isogloss.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: isogloss
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* (list $ component): labels of an object. */}}
{{- define "isogloss.labels" -}}
{{- $ := index . 0 -}}
{{ include "isogloss.selector" . }}
app.kubernetes.io/part-of: isogloss
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list $ name image-values): where one of our images lies. */}}
{{- define "isogloss.repository" -}}
{{- (index . 2).repository | default (printf "%s/%s" (index . 0).Values.image.repository (index . 1)) -}}
{{- end }}

{{/* (list $ name image-values): all repositories that admission takes one of our images from, as JSON. */}}
{{- define "isogloss.repositories" -}}
{{- $repositories := list (include "isogloss.repository" .) -}}
{{- $name := index . 1 -}}
{{- range (index . 0).Values.admissionPolicies.alsoFrom }}{{ $repositories = append $repositories (printf "%s/%s" . $name) }}{{ end -}}
{{- toJson $repositories -}}
{{- end }}

{{/* (list $ name image-values): the reference of one of our images. */}}
{{- define "isogloss.image" -}}
{{- $ := index . 0 -}}{{- $image := index . 2 -}}
{{- $repository := include "isogloss.repository" . -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default $.Values.image.tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* (list $ role existing): the Secret with a role's signing key. */}}
{{- define "isogloss.keySecret" -}}
{{- index . 2 | default (printf "%s-%s-key" (include "isogloss.fullname" (index . 0)) (index . 1)) -}}
{{- end }}

{{- define "isogloss.fingerprintSecret" -}}
{{- .Values.keys.existingFingerprintSecret | default (printf "%s-fingerprint-key" (include "isogloss.fullname" .)) -}}
{{- end }}

{{- define "isogloss.trustConfigMap" -}}
{{- .Values.keys.existingTrustConfigMap | default (printf "%s-trust" (include "isogloss.fullname" .)) -}}
{{- end }}

{{- define "isogloss.mlflowUrl" -}}
{{- if .Values.mlflow.enabled }}http://{{ include "isogloss.fullname" . }}-mlflow:5000{{ else }}{{ .Values.mlflow.url }}{{ end -}}
{{- end }}

{{/* The ledger's PostgreSQL; empty: it is SQLite. */}}
{{- define "isogloss.databaseUrl" -}}
{{- if .Values.postgresql.enabled }}postgresql://isogloss@{{ include "isogloss.fullname" . }}-postgresql:5432/postgres{{ else }}{{ .Values.registryProxy.database.url }}{{ end -}}
{{- end }}

{{/* The Secret with its user's password; empty: it needs none. */}}
{{- define "isogloss.databaseSecret" -}}
{{- if .Values.postgresql.enabled }}{{ include "isogloss.keySecret" (list . "postgresql" .Values.postgresql.existingSecret) }}{{ else }}{{ .Values.registryProxy.database.existingSecret }}{{ end -}}
{{- end }}

{{- define "isogloss.gatewayName" -}}
{{- .Values.gateway.name | default (include "isogloss.fullname" .) -}}
{{- end }}

{{- define "isogloss.gatewayNamespace" -}}
{{- if .Values.gateway.create }}{{ .Release.Namespace }}{{ else }}{{ .Values.gateway.namespace }}{{ end -}}
{{- end }}
