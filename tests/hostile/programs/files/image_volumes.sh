#: about = "Writes to a folder that its image declares as a volume, which would outlive the container."
#: walls = ["image_volumes"]
#: profile = "volumes"
#: [expect]
#: status = "ok"
#: stdout = ["/var/lib/data is read-only", "/var/cache/data is read-only", "nothing is in them"]

for folder in /var/lib/data /var/cache/data; do
    if (: >"$folder/file") 2>/dev/null; then echo "$folder was written to"; else echo "$folder is read-only"; fi
    grep -q "^tmpfs $folder tmpfs ro," /proc/mounts || echo "$folder is no mount of ours"
done
if [ -z "$(ls -A /var/lib/data /var/cache/data | grep -v : )" ]; then echo nothing is in them; fi
