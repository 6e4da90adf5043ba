{{/* Stop with all mistakes of the values at once, in plain words. */}}
{{- define "streamflow.check" -}}
{{- $v := .Values -}}
{{- $volume := $v.artifacts.volume -}}
{{- $hasVolume := or $volume.existingClaim $volume.size -}}
{{- $mistakes := list -}}
{{- if not $v.image.repository -}}
{{- $mistakes = append $mistakes "image.repository: name the repository of your image of streamflow" -}}
{{- end -}}
{{- if not (or $v.image.tag $v.image.digest) -}}
{{- $mistakes = append $mistakes "image.tag or image.digest: name one of them" -}}
{{- end -}}
{{- if not $v.postgresql.host -}}
{{- $mistakes = append $mistakes "postgresql.host: name a PostgreSQL server; the chart has none" -}}
{{- end -}}
{{- if not $v.postgresql.secret.name -}}
{{- $mistakes = append $mistakes "postgresql.secret.name: name an existing secret with the password file of libpq; there is no default password" -}}
{{- end -}}
{{- if and (hasPrefix "verify" $v.postgresql.sslMode) (not $v.postgresql.caSecret.name) -}}
{{- $mistakes = append $mistakes (printf "postgresql.caSecret.name: sslMode %s needs an existing secret with the certificate of the authority" $v.postgresql.sslMode) -}}
{{- end -}}
{{- if and $v.artifacts.destination $hasVolume -}}
{{- $mistakes = append $mistakes "artifacts: name a destination or a volume, not both" -}}
{{- end -}}
{{- if not (or $v.artifacts.destination $hasVolume) -}}
{{- $mistakes = append $mistakes "artifacts: name a destination (an object store), or a volume (existingClaim or size)" -}}
{{- end -}}
{{- if and $v.artifacts.secret (not $v.artifacts.destination) -}}
{{- $mistakes = append $mistakes "artifacts.secret: it is for an object store, and artifacts.destination is empty" -}}
{{- end -}}
{{- range $service := list "api" "console" -}}
{{- $entry := index $v.ingress $service -}}
{{- if and $v.ingress.enabled $entry.host -}}
{{- if not $entry.tlsSecret -}}
{{- $mistakes = append $mistakes (printf "ingress.%s.tlsSecret: name an existing secret with the certificate of %s" $service $entry.host) -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not (index $v $service).allowFrom) -}}
{{- $mistakes = append $mistakes (printf "%s.allowFrom: name the ingress controller, or the NetworkPolicy keeps it away" $service) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not (or $v.ingress.api.host $v.ingress.console.host)) -}}
{{- $mistakes = append $mistakes "ingress: name a host for the api, for the console, or for both" -}}
{{- end -}}
{{- if and $v.ingress.enabled $v.ingress.console.host (not $v.console.enabled) -}}
{{- $mistakes = append $mistakes "ingress.console.host: the console is not enabled" -}}
{{- end -}}
{{- $autoscaling := $v.api.autoscaling -}}
{{- if and $autoscaling.enabled (gt (int $autoscaling.minReplicas) (int $autoscaling.maxReplicas)) -}}
{{- $mistakes = append $mistakes "api.autoscaling: minReplicas is greater than maxReplicas" -}}
{{- end -}}
{{- if $mistakes -}}
{{- fail (printf "\nThe values cannot be used. Nothing was rendered.\n  - %s\nSee docs/how-to/kubernetes.md and values.yaml.\n" (join "\n  - " $mistakes)) -}}
{{- end -}}
{{- end -}}
