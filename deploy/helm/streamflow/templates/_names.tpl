{{/* The beginning of every name: the release, and the chart unless the release already says it. */}}
{{- define "streamflow.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels by which the pods of this release are found. */}}
{{- define "streamflow.release" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* All labels of an object. Takes (dict "root" $ "service" "api"). */}}
{{- define "streamflow.labels" -}}
{{ include "streamflow.release" .root }}
app.kubernetes.io/component: {{ .service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* The labels of the pods of one service. Takes (dict "root" $ "service" "api"). */}}
{{- define "streamflow.selector" -}}
{{ include "streamflow.release" .root }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{/* The host names of a service inside the cluster, with commas. Takes root, service, suffix. */}}
{{- define "streamflow.hosts" -}}
{{- $name := printf "%s-%s" (include "streamflow.fullname" .root) .service -}}
{{- $space := .root.Release.Namespace -}}
{{- $suffix := .suffix | default "" -}}
{{- $long := printf "%s.%s.svc.%s" $name $space .root.Values.clusterDomain -}}
{{- list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) $long | join (printf "%s," $suffix) }}{{ $suffix }}
{{- end -}}

{{- define "streamflow.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The name of the claim of a volume; empty for an empty volume. Takes root, name, volume. */}}
{{- define "streamflow.claim" -}}
{{- if .volume.existingClaim -}}
{{ .volume.existingClaim }}
{{- else if .volume.size -}}
{{ include "streamflow.fullname" .root }}-{{ .name }}
{{- end -}}
{{- end -}}
