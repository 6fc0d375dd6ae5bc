"""The least that a store's file must say."""

HQ = """\
hq:
  brokers: [mqtts://mqtt.example.com, "mqtts://[2001:db8::1]:443"]
  ca_file: keys/ca.pem
  cert_file: /keys/box.pem
  key_file: /keys/box-tls.key
  box_key_file: /keys/box.key
  root_key_file: /keys/hq-root.pem
  recipients: [/keys/hq.pub]
  pseudonym_key_file: /keys/pseudonym.key
"""
STORE = "store: store-1\nbox: box-1\ndata_dir: data\n"
WHOLE = STORE + HQ
