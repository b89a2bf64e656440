[0008]                Signature : "RSD PTR "
[0001]                 Checksum : 00
[0006]                   Oem ID : "VGRAFT"
[0001]                 Revision : 02
[0004]             RSDT Address : 11223344
[0004]                   Length : 00000024
[0008]             XSDT Address : 5566778899AABBCC
[0001]        Extended Checksum : 00
[0003]                 Reserved : 000000
