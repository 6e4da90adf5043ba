{{/* Variables of every container: where the database is, and the settings of the values. */}}
{{- define "streamflow.commonVariables" -}}
PGHOST: {{ .Values.postgresql.host | quote }}
PGPORT: {{ .Values.postgresql.port | toJson | quote }}
PGUSER: {{ .Values.postgresql.user | quote }}
PGPASSFILE: /secrets/pgpass
PGSSLMODE: {{ .Values.postgresql.sslMode }}
{{- if .Values.postgresql.caSecret.name }}
PGSSLROOTCERT: /etc/streamflow/ca/{{ .Values.postgresql.caSecret.key }}
{{- end }}
STREAMFLOW_HOME: /state/home
STREAMFLOW_DATABASE_URL: postgresql:///{{ .Values.postgresql.database }}
STREAMFLOW_MLFLOW_DATABASE: {{ .Values.postgresql.mlflowDatabase | quote }}
{{- if .Values.catalog.configMap }}
STREAMFLOW_CATALOG: /etc/streamflow/catalog/{{ .Values.catalog.key }}
{{- end }}
{{- if .Values.signing.trustedConfigMap.name }}
STREAMFLOW_TRUSTED_KEYS: /etc/streamflow/trusted/{{ .Values.signing.trustedConfigMap.key }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- /* A number goes through JSON: else Helm writes 1048576 as 1.048576e+06. */}}
STREAMFLOW_{{ upper $name }}: {{ kindIs "string" $value | ternary $value ($value | toJson) | quote }}
{{- end }}
{{- end -}}

{{/* Variables of the services that ask MLflow's server. */}}
{{- define "streamflow.mlflowVariables" -}}
STREAMFLOW_MLFLOW_TRACKING_URI: http://{{ include "streamflow.fullname" . }}-mlflow:5000
{{- end -}}

{{/* The same rights for every container: none. */}}
{{- define "streamflow.containerRights" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The probes of a service: those of compose.yaml, and whether its process answers at all.
     Takes service, port, path and, for the API, readiness. */}}
{{- define "streamflow.probes" -}}
{{- $check := list "python" "/opt/streamflow/deploy/healthcheck.py" .service -}}
startupProbe:
  exec:
    command: {{ $check | toJson }}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 23  # the 180 s of the start and 5 further tries
readinessProbe:
{{- if eq (.readiness | default "") "prediction" }}
  httpGet:
    path: /ready
    port: {{ .port }}
    httpHeaders: [{name: Host, value: localhost}]
{{- else }}
  exec:
    command: {{ $check | toJson }}
{{- end }}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 5
livenessProbe:
  httpGet:
    path: {{ .path }}
    port: {{ .port }}
    httpHeaders: [{name: Host, value: "localhost:{{ .port }}"}]  # else it names the pod's address
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}

{{/* The specification of a pod.
     root         the whole context
     service      the name of the service
     command      the command, as a list
     variables    YAML of its variables, without those that all have
     ports        name -> number
     probes       YAML; empty for the job
     resources    of its container
     stateVolume  the claim of /state; an empty volume without
     mounts       mount path -> claim; an empty volume where the claim is ""
     grace        seconds from SIGTERM to SIGKILL
     variablesOf  an existing secret whose keys become variables
     knowsAddress whether POD_IP is set
     promotes     whether it gets the key that signs versions
     restart      restartPolicy of the job */}}
{{- define "streamflow.pod" -}}
{{- $values := .root.Values -}}
{{- $common := include "streamflow.commonVariables" .root | fromYaml -}}
{{- $variables := merge (.variables | default "" | fromYaml) $common -}}
{{- $signs := and .promotes $values.signing.keySecret.name -}}
{{- if $signs -}}
{{- $_ := set $variables "STREAMFLOW_SIGNING_KEY" (printf "/etc/streamflow/signing/%s" $values.signing.keySecret.key) -}}
{{- end -}}
automountServiceAccountToken: false
{{- with $values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
# Kubernetes would set variables such as STREAMFLOW_API_PORT and MLFLOW_PORT for the services of the
# namespace, which streamflow, MLflow and Prefect would read as settings.
enableServiceLinks: false
shareProcessNamespace: true  # the first process of the pod ends what has no parent any more
terminationGracePeriodSeconds: {{ .grace | default 30 }}
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with $values.scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.scheduling.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
initContainers:
  # libpq reads a password file only if nobody else may. Kubernetes lets the group read a file of a
  # secret, so this container makes a copy in memory. It also makes a state folder that nobody else
  # may write to: everybody may write to the folder that Kubernetes mounts.
  - name: prepare
    image: {{ include "streamflow.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    command:
      - sh
      - -c
      - install -m 0600 /run/secrets/postgresql/{{ $values.postgresql.secret.key }} /secrets/pgpass && install -d -m 0700 /state/home
    securityContext:
      {{- include "streamflow.containerRights" . | nindent 6 }}
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    volumeMounts:
      - {name: postgresql, mountPath: /run/secrets/postgresql, readOnly: true}
      - {name: secrets, mountPath: /secrets}
      - {name: state, mountPath: /state}
containers:
  - name: {{ .service }}
    image: {{ include "streamflow.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    command: {{ .command | toJson }}
    {{- with .variablesOf }}
    envFrom:
      - secretRef:
          name: {{ . }}
    {{- end }}
    env:
      {{- if .knowsAddress }}
      - name: POD_IP
        valueFrom:
          fieldRef:
            fieldPath: status.podIP
      {{- end }}
      {{- range $name, $value := $variables }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
    {{- with .ports }}
    ports:
      {{- range $name, $port := . }}
      - name: {{ $name }}
        containerPort: {{ $port }}
        protocol: TCP
      {{- end }}
    {{- end }}
    {{- with .probes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if .drain }}
    lifecycle:
      preStop:
        exec:
          command: [sleep, "5"]  # until nobody sends it a new request
    {{- end }}
    securityContext:
      {{- include "streamflow.containerRights" . | nindent 6 }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: state, mountPath: /state}
      - {name: secrets, mountPath: /secrets, readOnly: true}
      {{- range $name, $mount := .mounts }}
      - {name: {{ $name }}, mountPath: {{ $mount.path }}}
      {{- end }}
      {{- if $values.catalog.configMap }}
      - {name: catalog, mountPath: /etc/streamflow/catalog, readOnly: true}
      {{- end }}
      {{- if $values.postgresql.caSecret.name }}
      - {name: ca, mountPath: /etc/streamflow/ca, readOnly: true}
      {{- end }}
      {{- if $signs }}
      - {name: signing, mountPath: /etc/streamflow/signing, readOnly: true}
      {{- end }}
      {{- if $values.signing.trustedConfigMap.name }}
      - {name: trusted, mountPath: /etc/streamflow/trusted, readOnly: true}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  - name: secrets
    emptyDir: {medium: Memory, sizeLimit: 1Mi}
  - name: postgresql
    secret:
      secretName: {{ $values.postgresql.secret.name }}
      items:
        - {key: {{ $values.postgresql.secret.key }}, path: {{ $values.postgresql.secret.key }}}
  {{- $mounts := merge (dict "state" (dict "claim" (.stateClaim | default ""))) (.mounts | default dict) }}
  {{- range $name, $mount := $mounts }}
  - name: {{ $name }}
    {{- if $mount.claim }}
    persistentVolumeClaim:
      claimName: {{ $mount.claim }}
    {{- else }}
    emptyDir: {}
    {{- end }}
  {{- end }}
  {{- if $values.catalog.configMap }}
  - name: catalog
    configMap:
      name: {{ $values.catalog.configMap }}
  {{- end }}
  {{- if $values.postgresql.caSecret.name }}
  - name: ca
    secret:
      secretName: {{ $values.postgresql.caSecret.name }}
  {{- end }}
  {{- if $signs }}
  - name: signing
    secret:
      secretName: {{ $values.signing.keySecret.name }}
      defaultMode: 0440  # the group of the pod reads it, and nobody else
      items:
        - {key: {{ $values.signing.keySecret.key }}, path: {{ $values.signing.keySecret.key }}}
  {{- end }}
  {{- if $values.signing.trustedConfigMap.name }}
  - name: trusted
    configMap:
      name: {{ $values.signing.trustedConfigMap.name }}
  {{- end }}
{{- end -}}

{{/* A Deployment. Takes what "streamflow.pod" takes, and
     replicas   their number; null leaves it to the autoscaler
     strategy   Recreate where two pods must not run at the same time
     spread     whether its pods should be on different nodes */}}
{{- define "streamflow.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "streamflow.fullname" .root }}-{{ .service }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "streamflow.labels" . | nindent 4 }}
spec:
  {{- if .root.Values.stopped }}
  replicas: 0
  {{- else if .replicas }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    {{- if eq .strategy "Recreate" }}
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
    {{- end }}
  selector:
    matchLabels:
      {{- include "streamflow.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "streamflow.labels" . | nindent 8 }}
      {{- with .root.Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "streamflow.pod" . | nindent 6 }}
      {{- if .spread }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "streamflow.selector" . | nindent 14 }}
      {{- end }}
{{- end -}}

{{/* A Service. Takes root, service and ports. */}}
{{- define "streamflow.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "streamflow.fullname" .root }}-{{ .service }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "streamflow.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "streamflow.selector" . | nindent 4 }}
  ports:
    {{- range $name, $port := .ports }}
    - name: {{ $name }}
      port: {{ $port }}
      targetPort: {{ $name }}
      protocol: TCP
    {{- end }}
{{- end -}}
