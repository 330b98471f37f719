{{- define "idiolect.image" -}}
{{ .root.Values.registry }}{{ .name }}:{{ .root.Values.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "idiolect.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "idiolect.pod" -}}
automountServiceAccountToken: false
# A release named "idiolect" would else bring variables IDIOLECT_..._PORT that mean something else.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
  {{- with .sysctls }}
  sysctls: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "idiolect.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "idiolect.store" -}}
{{- if .Values.storeSecret }}
envFrom: [{secretRef: {name: {{ .Values.storeSecret }}}}]
{{- end }}
{{- end }}

{{- define "idiolect.platform" -}}
- {name: IDIOLECT_STORE, value: {{ .Values.store | quote }}}
- {name: IDIOLECT_REDIS_ADDRESS, value: {{ .Values.redis | quote }}}
- {name: IDIOLECT_STUDENT_ADDRESS, value: "dns:///{{ .Release.Name }}-student:50051"}
- {name: IDIOLECT_ORACLE_ADDRESS, value: "dns:///{{ .Release.Name }}-oracle:50052"}
- {name: IDIOLECT_GATEWAY_KEY_FILE, value: /run/secrets/keys/keys.jsonl}
{{- end }}

{{- define "idiolect.traces" -}}
{{- with .Values.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $.Values.traceShare | quote }}}
{{- end }}
{{- end }}

{{- define "idiolect.collectorPort" -}}
{{- $url := urlParse .Values.otlpEndpoint -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end }}

{{- define "idiolect.trainerNodes" -}}
- {name: IDIOLECT_TRAINER_NODES, value: {{ .Values.trainer.nodes | quote }}}
- {name: IDIOLECT_TRAINER_RENDEZVOUS, value: "{{ .Release.Name }}-trainer-rendezvous:29500"}
{{- end }}

{{/* NCCL and gloo listen on ports that the system picks: it is told to pick those that the network policy opens. */}}
{{- define "idiolect.trainerSysctls" -}}
sysctls: [{name: net.ipv4.ip_local_port_range, value: "40000 49999"}]
{{- end }}

{{/* One rule of a network policy; `side` is from or to. */}}
{{- define "idiolect.trainerPeers" -}}
- {{ .side }}:
    - podSelector:
        matchLabels: {app.kubernetes.io/instance: {{ .root.Release.Name }}}
        matchExpressions: [{key: app.kubernetes.io/name, operator: In, values: [trainer, trainer-node]}]
  ports: [{port: 29500}, {port: 40000, endPort: 49999}]
{{- end }}
