[0008]                Signature : "RSD PTR "
[0001]                 Checksum : 00
[0006]                   Oem ID : "VGRAFT"
[0001]                 Revision : 00
[0004]             RSDT Address : 11223344
