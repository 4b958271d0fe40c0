{{/* (list $ name account args extra): a suspended CronJob, the template that Jobs are started from.
`extra` may have initContainers, volumes, mounts, env (lists), schedule and suspend. */}}
{{- define "isogloss.cronJob" -}}
{{- $ := index . 0 -}}{{- $name := index . 1 -}}{{- $account := index . 2 -}}{{- $extra := index . 4 -}}
{{- $fullname := include "isogloss.fullname" $ -}}
{{- $jobs := $.Values.jobs -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ $fullname }}-{{ $name }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "isogloss.labels" (list $ $account) | nindent 4 }}
spec:
  suspend: {{ dig "suspend" true $extra }}
  schedule: {{ dig "schedule" "0 3 * * 0" $extra | quote }}
  concurrencyPolicy: Forbid
  jobTemplate:
    metadata:
      labels:
        {{- include "isogloss.labels" (list $ $account) | nindent 8 }}
        isogloss.dev/job: {{ $name }}
    spec:
      # A job that refused would refuse again: who started it decides.
      backoffLimit: 0
      activeDeadlineSeconds: {{ $jobs.activeDeadlineSeconds }}
      ttlSecondsAfterFinished: {{ $jobs.ttlSecondsAfterFinished }}
      template:
        metadata:
          labels:
            {{- include "isogloss.labels" (list $ $account) | nindent 12 }}
            isogloss.dev/job: {{ $name }}
            {{- with $jobs.pod.labels }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- with $jobs.pod.annotations }}
          annotations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
        spec:
          {{- include "isogloss.podSpec" (list $ $account $jobs.pod 1) | nindent 10 }}
          automountServiceAccountToken: false
          restartPolicy: Never
          initContainers:
            - name: project
              image: {{ $jobs.project.image | default (include "isogloss.image" (list $ "example-sentiment" (dict))) }}
              imagePullPolicy: {{ $.Values.image.pullPolicy }}
              command: [cp, -R, /project/., /workspace/]
              resources:
                requests: {cpu: 50m, memory: 64Mi}
                limits: {memory: 256Mi}
              securityContext:
                {{- include "isogloss.containerSecurity" $ | nindent 16 }}
              volumeMounts:
                - {name: work, mountPath: /workspace}
            {{- with $extra.initContainers }}
            {{- . | nindent 12 }}
            {{- end }}
          containers:
            - name: job
              image: {{ include "isogloss.image" (list $ "training-jobs" $jobs.image) }}
              imagePullPolicy: {{ $.Values.image.pullPolicy }}
              args:
                {{- toYaml (index . 3) | nindent 16 }}
              env:
                - {name: ISOGLOSS_TRAINING_JOBS_HOME, value: /workspace/.isogloss}
                - {name: ISOGLOSS_TRAINING_JOBS_TRACKING_URI, value: "http://{{ $fullname }}-registry-proxy:8100"}
                - {name: ISOGLOSS_TRAINING_JOBS_REGISTRY_URL, value: "http://{{ $fullname }}-registry-proxy:8100"}
                - {name: ISOGLOSS_TRAINING_JOBS_MONITOR_URL, value: "http://{{ $fullname }}-drift-monitor:8200"}
                - {name: ISOGLOSS_TRAINING_JOBS_TOKEN_FILE, value: /var/run/isogloss/token}
                - {name: ISOGLOSS_TRAINING_JOBS_IMAGE, value: {{ $jobs.image.digest | default "none" | quote }}}
                - {name: ISOGLOSS_TRAINING_JOBS_COMMIT, value: {{ $jobs.project.commit | quote }}}
                - {name: HOME, value: /tmp}
                {{- with $extra.env }}
                {{- . | nindent 16 }}
                {{- end }}
                {{- with $jobs.pod.extraEnv }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
              resources:
                {{- toYaml $jobs.resources | nindent 16 }}
              securityContext:
                {{- include "isogloss.containerSecurity" $ | nindent 16 }}
              volumeMounts:
                - {name: work, mountPath: /workspace}
                - {name: tmp, mountPath: /tmp}
                - {{ include "isogloss.tokenMount" $ }}
                {{- with $extra.mounts }}
                {{- . | nindent 16 }}
                {{- end }}
          volumes:
            - name: work
              emptyDir: {}
            - name: tmp
              emptyDir: {}
            - {{- include "isogloss.tokenVolume" $ | nindent 14 }}
            {{- with $extra.volumes }}
            {{- . | nindent 12 }}
            {{- end }}
{{- end }}

{{/* (list $ name port): a predictor beside the job, that it measures on the pod's own loopback. */}}
{{- define "isogloss.measuredPredictor" -}}
{{- $ := index . 0 -}}{{- $name := index . 1 -}}{{- $port := index . 2 -}}
- name: {{ $name }}
  image: {{ include "isogloss.image" (list $ "inference" $.Values.predictors.image) }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  restartPolicy: Always
  env:
    - {name: ISOGLOSS_INFERENCE_MODEL, value: {{ $.Values.jobs.model | quote }}}
    # Whoever starts the Job names the version.
    - {name: ISOGLOSS_INFERENCE_ARTIFACT, value: "isogloss://{{ $.Values.jobs.model }}@sha256:{{ repeat 64 "0" }}"}
    - {name: ISOGLOSS_INFERENCE_REGISTRY_URL, value: "http://{{ include "isogloss.fullname" $ }}-registry-proxy:8100"}
    - {name: ISOGLOSS_INFERENCE_CACHE_DIR, value: /tmp/artifacts}
    - {name: ISOGLOSS_INFERENCE_TOKEN_FILE, value: /var/run/isogloss/token}
    - {name: ISOGLOSS_INFERENCE_HOST, value: {{ $.Values.listenHost | quote }}}
    - {name: ISOGLOSS_INFERENCE_PORT, value: {{ $port | quote }}}
    - {name: ISOGLOSS_INFERENCE_METRICS_PORT, value: {{ add1 $port | quote }}}
    - {name: ISOGLOSS_INFERENCE_LOG_LEVEL, value: {{ $.Values.logLevel }}}
  startupProbe:
    httpGet: {path: /readyz, port: {{ add1 $port }}}
    periodSeconds: 1
    failureThreshold: 300
  resources:
    {{- toYaml $.Values.predictors.resources | nindent 4 }}
  securityContext:
    {{- include "isogloss.containerSecurity" $ | nindent 4 }}
  volumeMounts:
    - {name: {{ $name }}-tmp, mountPath: /tmp}
    - {{ include "isogloss.tokenMount" $ }}
{{- end }}

{{/* (list $ name baseline): the template of gate Jobs, the only holders of the gate's key. */}}
{{- define "isogloss.gateJob" -}}
{{- $ := index . 0 -}}{{- $baseline := index . 2 -}}
{{- $nothing := printf "sha256:%s" (repeat 64 "0") -}}
{{- $args := list "evaluate" "--model" $.Values.jobs.model "--version" $nothing "--candidate-url" "http://127.0.0.1:8400" -}}
{{- $predictors := include "isogloss.measuredPredictor" (list $ "candidate" 8400) -}}
{{- $volumes := printf "- %s\n- {name: candidate-tmp, emptyDir: {}}" (include "isogloss.secretVolume" (list "key" (include "isogloss.keySecret" (list $ "gate" $.Values.jobs.existingSecret))) | nindent 2 | trim) -}}
{{- if $baseline -}}
{{- $args = concat $args (list "--baseline-url" "http://127.0.0.1:8410") -}}
{{- $predictors = printf "%s\n%s" $predictors (include "isogloss.measuredPredictor" (list $ "baseline" 8410)) -}}
{{- $volumes = printf "%s\n- {name: baseline-tmp, emptyDir: {}}" $volumes -}}
{{- end -}}
{{- $extra := dict
  "initContainers" $predictors
  "volumes" $volumes
  "mounts" "- {name: key, mountPath: /etc/isogloss/key, readOnly: true}"
  "env" "- {name: ISOGLOSS_TRAINING_JOBS_SIGNING_KEY_FILE, value: /etc/isogloss/key/key.pem}" -}}
{{ include "isogloss.cronJob" (list $ (index . 1) "gate" $args $extra) }}
{{- end }}
