[0004]                   Signature : "VIOT"
[0004]                Table Length : 00000080
[0001]                    Revision : 00
[0001]                    Checksum : F9
[0006]                      Oem ID : "VGRAFT"
[0008]                Oem Table ID : "SAMPLE"
[0004]                Oem Revision : 04030201
[0004]             Asl Compiler ID : "VGFT"
[0004]       Asl Compiler Revision : 08070605
[0002]                  Node count : 0004
[0002]                 Node offset : 0030
[0008]                    Reserved : 0000000000000000
[0001]                        Type : 03
[0001]                    Reserved : 00
[0002]                      Length : 0010
[0002]                 PCI Segment : 0101
[0002]              PCI BDF number : 0102
[0008]                    Reserved : 0000000000000000
[0001]                        Type : 04
[0001]                    Reserved : 00
[0002]                      Length : 0010
[0004]                    Reserved : 00000000
[0008]                Base address : 0706050403020101
[0001]                        Type : 01
[0001]                    Reserved : 00
[0002]                      Length : 0018
[0004]              Endpoint start : 03020101
[0002]           PCI Segment start : 0102
[0002]             PCI Segment end : 0103
[0002]               PCI BDF start : 0104
[0002]                 PCI BDF end : 0105
[0002]                 Output node : 0030
[0006]                    Reserved : 000000000000
[0001]                        Type : 02
[0001]                    Reserved : 00
[0002]                      Length : 0018
[0004]                    Endpoint : 03020101
[0008]                Base address : 0706050403020102
[0002]                 Output node : 0040
[0006]                    Reserved : 000000000000
